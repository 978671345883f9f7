# The sums themselves are no output: Snakemake would delete them before they are added to.
rule grams:
    input:
        dataset=result("dataset/manifest.json"),
        masks=result("subsets/masks.npy"),
        margins=result("{algorithm}/margins.npy"),
    output:
        result("{algorithm}/grams.json"),
    log:
        result("logs/grams/{algorithm}.log"),
    benchmark:
        result("benchmarks/grams/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
    params:
        study=result("study.json"),
        key=key("grams", "algorithm"),
    message:
        "Sum the masks of {wildcards.algorithm}"
    shell:
        "python -m modeldiff grams {params.study:q} {wildcards.algorithm:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " --threads {threads} --output {output:q} &> {log:q}"


rule fit:
    input:
        dataset=result("dataset/manifest.json"),
        masks=result("subsets/masks.npy"),
        margins=result("{algorithm}/margins.npy"),
        grams=result("{algorithm}/grams.json"),
    output:
        result("{algorithm}/fits/{part}-of-{parts}.npz"),
    log:
        result("logs/fit/{algorithm}-{part}-of-{parts}.log"),
    benchmark:
        result("benchmarks/fit/{algorithm}-{part}-of-{parts}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("datamodels", "algorithm"),
    message:
        "Fit share {wildcards.part} of {wildcards.parts} of the targets of {wildcards.algorithm}"
    shell:
        "python -m modeldiff fit {params.study:q} {wildcards.algorithm:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " --grams {input.grams:q} --part {wildcards.part} {wildcards.parts}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule datamodels:
    input:
        dataset=result("dataset/manifest.json"),
        masks=result("subsets/masks.npy"),
        margins=result("{algorithm}/margins.npy"),
        fits=fits,
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
        mem_mb=regression_memory,
        runtime=120,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("datamodels", "algorithm"),
    message:
        "Fit the datamodels of {wildcards.algorithm}"
    shell:
        "python -m modeldiff datamodels {params.study:q} {wildcards.algorithm:q} {input.fits:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output.datamodels:q} &> {log:q}"


# Only for algorithms whose scores come from elsewhere: nothing of them is trained on subsets.
rule scores:
    input:
        **dataset_files(),
        given=given,
    output:
        result("{algorithm}/scores.npy"),
    log:
        result("logs/scores/{algorithm}.log"),
    benchmark:
        result("benchmarks/scores/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=trak_gpu,
    params:
        study=result("study.json"),
        key=key("scores", "algorithm"),
    message:
        "Take in the scores of {wildcards.algorithm}"
    shell:
        "python -m modeldiff scores {params.study:q} {wildcards.algorithm:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"
