rule comparison:
    input:
        datamodels=of_pair("datamodels.npz"),
        study=ancient(result("study.json")),
    output:
        result("{a}-vs-{b}/comparison.npz"),
    log:
        result("logs/comparison/{a}-vs-{b}.log"),
    benchmark:
        result("benchmarks/comparison/{a}-vs-{b}.tsv")
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        key=key("comparison", "a", "b"),
        folder=result("dataset"),
    conda:
        "../envs/modeldiff.yaml"
    message:
        "Compare {wildcards.a} with {wildcards.b}"
    shell:
        "python -m modeldiff comparison {input.study:q} {wildcards.a:q} {wildcards.b:q}"
        " --datamodels {input.datamodels:q} --dataset {params.folder:q}"
        " --output {output:q} &> {log:q}"
