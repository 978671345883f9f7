include: "figures.smk"


rule report:
    input:
        **dataset_files(),
        margins=of_fitted("margins.npy"),
        weights=[result(f"{n}/{study.weights(n)[1]}") for n in study.compared],
        lds=of_fitted("lds.npz"),
        predictions=of_shown("predictions.npz"),
        comparisons=pairs("comparison.npz"),
        effects=pairs("effects.csv"),
        candidates=[result(f"{a}-vs-{b}/candidates.csv") for a, b in study.tried],
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
