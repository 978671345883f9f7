localrules:
    study,


# The checked config, which all other steps read. They take it as `ancient`: a change of the
# config reruns those steps whose `key` it changes, and no others.
rule study:
    output:
        result("study.json"),
    log:
        result("logs/study.log"),
    benchmark:
        result("benchmarks/study.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
        gpu=0,
    params:
        config=lambda wc: study.text,
    message:
        "Write the checked study"
    shell:
        "python -m modeldiff study {params.config:q} --output {output:q} &> {log:q}"
