rule subsets:
    input:
        dataset=result("dataset/manifest.json"),
    output:
        result("subsets/masks.npy"),
    log:
        result("logs/subsets.log"),
    benchmark:
        result("benchmarks/subsets.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("subsets"),
    message:
        "Draw the masks of all subsets"
    shell:
        "python -m modeldiff subsets {params.study:q} --dataset {input.dataset:q}"
        " --output {output:q} &> {log:q}"
