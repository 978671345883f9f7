rule occlusion:
    input:
        **reads("occlusion"),
    output:
        **writes("occlusion"),
    log:
        log_of("occlusion"),
    benchmark:
        benchmark_of("occlusion")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("occlusion"),
        proposals=given_proposals,
    message:
        "Take words, symbols or columns out of examples of {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff occlusion {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.checkpoints:q} --comparison {input.comparison:q} {params.proposals:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"
