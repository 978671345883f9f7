# Only where the config asks for it: measured by a job like those that train.
checkpoint calibrate:
    input:
        **reads("calibration"),
    output:
        **writes("calibration"),
    log:
        log_of("calibration"),
    benchmark:
        benchmark_of("calibration")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("calibration"),
    message:
        "Measure how fast {wildcards.algorithm} is trained"
    shell:
        "python -m modeldiff calibrate {params.study:q} {wildcards.algorithm:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"


rule train:
    input:
        **reads("training"),
    output:
        **writes("training"),
    log:
        log_of("training"),
    benchmark:
        benchmark_of("training")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.training.gpu,
        width=width,
    params:
        study=result(stages.STUDY),
        key=key("training"),
    message:
        "Train models {wildcards.first} to {wildcards.stop} of {wildcards.algorithm}"
    shell:
        "python -m modeldiff train {params.study:q} {wildcards.algorithm:q}"
        " --models {wildcards.first}:{wildcards.stop} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"


rule train_full:
    input:
        **reads("full"),
    output:
        **writes("full"),
    log:
        log_of("full"),
    benchmark:
        benchmark_of("full")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.training.gpu,
        width=width,
    params:
        study=result(stages.STUDY),
        key=key("full"),
    message:
        "Train full-data models {wildcards.first} to {wildcards.stop} of {wildcards.algorithm}"
    shell:
        "python -m modeldiff train --full {params.study:q} {wildcards.algorithm:q}"
        " --models {wildcards.first}:{wildcards.stop} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"
