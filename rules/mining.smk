rule mine:
    input:
        **reads("mined"),
    output:
        **writes("mined"),
    log:
        log_of("mined"),
    benchmark:
        benchmark_of("mined")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("mined"),
    message:
        "Look for features that set {wildcards.a} and {wildcards.b} apart"
    shell:
        "python -m modeldiff mine {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.checkpoints:q} --proposals {input.proposals:q} --proof {input.proof:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output.mined:q} &> {log:q}"


rule removal:
    input:
        **reads("removal"),
    output:
        **writes("removal"),
    log:
        log_of("removal"),
    benchmark:
        benchmark_of("removal")
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
        key=key("removal"),
    message:
        "Show {wildcards.algorithm} what was found, without the images behind it"
    shell:
        "python -m modeldiff removal {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {wildcards.algorithm:q} {input.mined:q} --proposals {input.proposals:q}"
        " --proof {input.proof:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"
