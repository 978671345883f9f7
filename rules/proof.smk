rule gradients:
    input:
        **reads("gradients"),
    output:
        **writes("gradients"),
    log:
        log_of("gradients"),
    benchmark:
        benchmark_of("gradients")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=regression_memory,
        runtime=120,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("gradients"),
    message:
        "Take gradients of {wildcards.algorithm}"
    shell:
        "python -m modeldiff gradients {params.study:q} {wildcards.algorithm:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule proposals:
    input:
        **reads("proposals"),
    output:
        **writes("proposals"),
    log:
        log_of("proposals"),
    benchmark:
        benchmark_of("proposals")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=regression_memory,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("proposals"),
        comparison=given_comparison,
    message:
        "Propose where {wildcards.a} and {wildcards.b} differ"
    shell:
        "python -m modeldiff proposals {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.gradients:q} {params.comparison:q} --dataset {input.dataset:q}"
        " --threads {threads} --output {output:q} &> {log:q}"


rule retrain:
    input:
        **reads("retraining"),
    output:
        **writes("retraining"),
    log:
        log_of("retraining"),
    benchmark:
        benchmark_of("retraining")
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
        key=key("retraining"),
        before=lambda wc, input: ["--before", input.look] if input.look else [],
    message:
        "Retrain models {wildcards.first} to {wildcards.stop} of {wildcards.algorithm},"
        " round {wildcards.round}"
    shell:
        "python -m modeldiff retrain {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {wildcards.algorithm:q} {wildcards.round} {input.proposals:q} {params.before:q}"
        " --models {wildcards.first}:{wildcards.stop} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"


rule look:
    input:
        **reads("looks"),
    output:
        **writes("looks"),
    log:
        log_of("looks"),
    benchmark:
        benchmark_of("looks")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("looks"),
    message:
        "See what round {wildcards.round} decides of {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff proof {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.proposals:q} {input.retrained:q} --rounds {wildcards.round}"
        " --output {output:q} &> {log:q}"


rule proof:
    input:
        **reads("proof"),
    output:
        **writes("proof"),
    log:
        log_of("proof"),
    benchmark:
        benchmark_of("proof")
    priority: PROOF_FIRST
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("proof"),
    message:
        "Prove where {wildcards.a} and {wildcards.b} differ"
    shell:
        "python -m modeldiff proof {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.proposals:q} {input.retrained:q} --output {output:q} &> {log:q}"
