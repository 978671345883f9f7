rule baselines:
    input:
        **reads("baselines"),
    output:
        **writes("baselines"),
    log:
        log_of("baselines"),
    benchmark:
        benchmark_of("baselines")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.training.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=study.training.gpu,
    params:
        study=result(stages.STUDY),
        key=key("baselines"),
    message:
        "Compare models of {wildcards.a} and {wildcards.b} in other known ways"
    shell:
        "python -m modeldiff baselines {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output.baselines:q} &> {log:q}"
