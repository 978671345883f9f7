rule predictions:
    input:
        **reads("predictions"),
    output:
        **writes("predictions"),
    log:
        log_of("predictions"),
    benchmark:
        benchmark_of("predictions")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("predictions"),
    message:
        "Show test images to {wildcards.algorithm}, as they are and with features"
    shell:
        "python -m modeldiff predictions {params.study:q} {wildcards.algorithm:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads}"
        " --output {output.predictions:q} &> {log:q}"


rule verification:
    input:
        **reads("verification"),
    output:
        **writes("verification"),
    log:
        log_of("verification"),
    benchmark:
        benchmark_of("verification")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("verification"),
    message:
        "Tabulate effects on {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff verification {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.predictions:q} --output {output:q} &> {log:q}"


rule trials:
    input:
        **reads("trials"),
    output:
        **writes("trials"),
    log:
        log_of("trials"),
    benchmark:
        benchmark_of("trials")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("trials"),
    message:
        "Try the library of transformations on {wildcards.algorithm}"
    shell:
        "python -m modeldiff trials {params.study:q} {wildcards.algorithm:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule candidates:
    input:
        **reads("candidates"),
    output:
        **writes("candidates"),
    log:
        log_of("candidates"),
    benchmark:
        benchmark_of("candidates")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("candidates"),
    message:
        "Propose what to verify of {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff candidates {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " --trials {input.trials:q} --comparison {input.comparison:q}"
        " --dataset {input.dataset:q} --output {output:q} &> {log:q}"
