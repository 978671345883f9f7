rule dataset:
    output:
        **writes("dataset"),
    log:
        log_of("dataset"),
    benchmark:
        benchmark_of("dataset")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("dataset"),
    message:
        "Prepare the data set"
    shell:
        "python -m modeldiff dataset {params.study:q} --output {output.dataset:q} &> {log:q}"


# Only where training reads it.
rule beton:
    input:
        **reads("beton"),
    output:
        **writes("beton"),
    log:
        log_of("beton"),
    benchmark:
        benchmark_of("beton")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("beton"),
    message:
        "Write the training images in FFCV's format"
    shell:
        "python -m modeldiff beton {params.study:q} --dataset {input.dataset:q}"
        " --output {output:q} &> {log:q}"


# By itself, before anything trains: `snakemake check_data --configfile ...`
rule check_data:
    log:
        result("logs/check-data.log"),
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
    message:
        "Check that the data are complete and can be read"
    shell:
        "python -m modeldiff check-data {params.study:q} 2>&1 | tee {log:q}"
