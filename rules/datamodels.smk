# The sums themselves are no output: Snakemake would delete them before they are added to.
rule grams:
    input:
        **reads("grams"),
    output:
        **writes("grams"),
    log:
        log_of("grams"),
    benchmark:
        benchmark_of("grams")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
    params:
        study=result(stages.STUDY),
        key=key("grams"),
    message:
        "Sum the masks of {wildcards.algorithm}"
    shell:
        "python -m modeldiff grams {params.study:q} {wildcards.algorithm:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " --threads {threads} --output {output:q} &> {log:q}"


rule fit:
    input:
        **reads("fit"),
    output:
        **writes("fit"),
    log:
        log_of("fit"),
    benchmark:
        benchmark_of("fit")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("fit"),
        prior=prior,
    message:
        "Fit share {wildcards.part} of {wildcards.parts} of the targets of {wildcards.algorithm}"
    shell:
        "python -m modeldiff fit {params.study:q} {wildcards.algorithm:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " {params.prior:q} --grams {input.grams:q} --part {wildcards.part} {wildcards.parts}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule datamodels:
    input:
        **reads("datamodels"),
    output:
        **writes("datamodels"),
    log:
        log_of("datamodels"),
    benchmark:
        benchmark_of("datamodels")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("datamodels"),
        prior=prior,
    message:
        "Fit the datamodels of {wildcards.algorithm}"
    shell:
        "python -m modeldiff datamodels {params.study:q} {wildcards.algorithm:q} {input.fits:q}"
        " --masks {input.masks:q} --margins {input.margins:q} --dataset {input.dataset:q}"
        " {params.prior:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output.datamodels:q} &> {log:q}"


# Only for algorithms whose scores come from elsewhere: nothing of them is trained on subsets.
rule scores:
    input:
        **reads("scores"),
        given=given,
    output:
        **writes("scores"),
    log:
        log_of("scores"),
    benchmark:
        benchmark_of("scores")
    conda:
        "../envs/modeldiff.yaml"
    threads: 2
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=trak_gpu,
    params:
        study=result(stages.STUDY),
        key=key("scores"),
    message:
        "Take in the scores of {wildcards.algorithm}"
    shell:
        "python -m modeldiff scores {params.study:q} {wildcards.algorithm:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"
