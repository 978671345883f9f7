rule margins:
    input:
        shards=shards,
    output:
        result("{algorithm}/margins.npy"),
    log:
        result("logs/margins/{algorithm}.log"),
    benchmark:
        result("benchmarks/margins/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("margins", "algorithm"),
    message:
        "Gather the margins of {wildcards.algorithm}"
    shell:
        "python -m modeldiff margins {params.study:q} {wildcards.algorithm:q} {input.shards:q}"
        " --output {output:q} &> {log:q}"
