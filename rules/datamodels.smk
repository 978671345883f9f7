rule datamodels:
    input:
        dataset=result("dataset/manifest.json"),
        masks=result("subsets/masks.npy"),
        margins=result("{algorithm}/margins.npy"),
    output:
        datamodels=result("{algorithm}/datamodels.npz"),
        lds=result("{algorithm}/lds.npz"),
    log:
        result("logs/datamodels/{algorithm}.log"),
    benchmark:
        result("benchmarks/datamodels/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("datamodels", "algorithm"),
    message:
        "Fit the datamodels of {wildcards.algorithm}"
    shell:
        "python -m modeldiff datamodels {params.study:q} {wildcards.algorithm:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output.datamodels:q} &> {log:q}"
