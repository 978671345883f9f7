rule dataset:
    input:
        study=ancient(result("study.json")),
    output:
        result("dataset/train.npz"),
        result("dataset/test.npz"),
        result("dataset/manifest.json"),
    log:
        result("logs/dataset.log"),
    benchmark:
        result("benchmarks/dataset.tsv")
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        key=key("dataset"),
        folder=result("dataset"),
    conda:
        "../envs/modeldiff.yaml"
    message:
        "Prepare the data set"
    shell:
        "python -m modeldiff dataset {input.study:q} --output {params.folder:q} &> {log:q}"
