rule comparison:
    input:
        dataset=result("dataset/manifest.json"),
        weights=weights,
        models=models,
    output:
        result("{a}-vs-{b}/comparison.npz"),
    log:
        result("logs/comparison/{a}-vs-{b}.log"),
    benchmark:
        result("benchmarks/comparison/{a}-vs-{b}.tsv")
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
        study=result("study.json"),
        key=key("comparison", "a", "b"),
    message:
        "Compare {wildcards.a} with {wildcards.b}"
    shell:
        "python -m modeldiff comparison {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.models:q} --weights {input.weights:q} --dataset {input.dataset:q}"
        " --threads {threads} --output {output:q} &> {log:q}"
