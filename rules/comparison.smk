rule comparison:
    input:
        **reads("comparison"),
    output:
        **writes("comparison"),
    log:
        log_of("comparison"),
    benchmark:
        benchmark_of("comparison")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    # One: BLAS threads that wait for each other spin, and beside other work a comparison of seconds
    # takes minutes. `--set-threads comparison=8` where there are tens of thousands of examples.
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("comparison"),
    message:
        "Compare {wildcards.a} with {wildcards.b}"
    shell:
        "python -m modeldiff comparison {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.models:q} --weights {input.weights:q} --dataset {input.dataset:q}"
        " --threads {threads} --output {output:q} &> {log:q}"
