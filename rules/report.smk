include: "figures.smk"


rule report:
    input:
        **reads("report"),
    output:
        **with_page_first(writes("report")),
        figures=figures(),
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result(stages.STUDY),
        key=key("report"),
    message:
        "Write the report"
    shell:
        "python -m modeldiff report {params.study:q} &> {log:q}"
