rule dataset:
    output:
        **dataset_files(),
    log:
        result("logs/dataset.log"),
    benchmark:
        result("benchmarks/dataset.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("dataset"),
    message:
        "Prepare the data set"
    shell:
        "python -m modeldiff dataset {params.study:q} --output {output.dataset:q} &> {log:q}"
