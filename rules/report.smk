include: "figures.smk"


rule report:
    input:
        **dataset_files(),
        margins=of_algorithms("margins.npy"),
        datamodels=of_algorithms("datamodels.npz"),
        lds=of_algorithms("lds.npz"),
        predictions=of_algorithms("predictions.npz"),
        comparisons=pairs("comparison.npz"),
        effects=pairs("effects.csv"),
        candidates=pairs("candidates.csv") if study.candidates else [],
    output:
        result("summary.json"),
        result("report.html"),
        figures(),
    log:
        result("logs/report.log"),
    benchmark:
        result("benchmarks/report.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("report"),
    message:
        "Write the report"
    shell:
        "python -m modeldiff report {params.study:q} &> {log:q}"
