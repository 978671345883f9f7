rule margins:
    input:
        **reads("margins"),
    output:
        **writes("margins"),
    log:
        log_of("margins"),
    benchmark:
        benchmark_of("margins")
    priority: COMPARISON_NEXT
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("margins"),
    message:
        "Gather the margins of {wildcards.algorithm}"
    shell:
        "python -m modeldiff margins {params.study:q} {wildcards.algorithm:q} {input.shards:q}"
        " --output {output:q} &> {log:q}"
