rule subsets:
    input:
        **reads("subsets"),
    output:
        **writes("subsets"),
    log:
        log_of("subsets"),
    benchmark:
        benchmark_of("subsets")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("subsets"),
    message:
        "Draw the masks of all subsets"
    shell:
        "python -m modeldiff subsets {params.study:q} --dataset {input.dataset:q}"
        " --output {output:q} &> {log:q}"
