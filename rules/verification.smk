rule predictions:
    input:
        **dataset_files(),
        checkpoints=full_models,
    output:
        result("{algorithm}/predictions.npz"),
    log:
        result("logs/predictions/{algorithm}.log"),
    benchmark:
        result("benchmarks/predictions/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.config["training"]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("predictions", "algorithm"),
    message:
        "Put features on test images for {wildcards.algorithm}"
    shell:
        "python -m modeldiff predictions {params.study:q} {wildcards.algorithm:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule verification:
    input:
        predictions=of_verified("predictions.npz"),
    output:
        result("{a}-vs-{b}/effects.csv"),
    log:
        result("logs/verification/{a}-vs-{b}.log"),
    benchmark:
        result("benchmarks/verification/{a}-vs-{b}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("verification", "a", "b"),
    message:
        "Tabulate effects on {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff verification {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " {input.predictions:q} --output {output:q} &> {log:q}"


rule trials:
    input:
        **dataset_files(),
        checkpoints=full_models,
    output:
        result("{algorithm}/trials.npz"),
    log:
        result("logs/trials/{algorithm}.log"),
    benchmark:
        result("benchmarks/trials/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.config["training"]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("trials", "algorithm"),
    message:
        "Try the library of transformations on {wildcards.algorithm}"
    shell:
        "python -m modeldiff trials {params.study:q} {wildcards.algorithm:q}"
        " {input.checkpoints:q} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --output {output:q} &> {log:q}"


rule candidates:
    input:
        **dataset_files(),
        trials=of_pair("trials.npz"),
        comparison=result("{a}-vs-{b}/comparison.npz"),
    output:
        result("{a}-vs-{b}/candidates.csv"),
    log:
        result("logs/candidates/{a}-vs-{b}.log"),
    benchmark:
        result("benchmarks/candidates/{a}-vs-{b}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        study=result("study.json"),
        key=key("candidates", "a", "b"),
    message:
        "Propose what to verify of {wildcards.a} and {wildcards.b}"
    shell:
        "python -m modeldiff candidates {params.study:q} {wildcards.a:q} {wildcards.b:q}"
        " --trials {input.trials:q} --comparison {input.comparison:q}"
        " --dataset {input.dataset:q} --output {output:q} &> {log:q}"
