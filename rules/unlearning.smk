rule unlearning:
    input:
        **reads("unlearning"),
    output:
        **writes("unlearning"),
    log:
        log_of("unlearning"),
    benchmark:
        benchmark_of("unlearning")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("unlearning"),
    message:
        "Ask what is left of a group that was to be forgotten"
    shell:
        "python -m modeldiff unlearning {params.study:q} {input.checkpoints:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"
