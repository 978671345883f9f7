# Only where the config asks for it: measured by a job like those that train.
checkpoint calibrate:
    input:
        **training_files(),
    output:
        result("{algorithm}/calibration.json"),
    log:
        result("logs/calibrate/{algorithm}.log"),
    benchmark:
        result("benchmarks/calibrate/{algorithm}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.config["training"]["threads"]
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.config["training"]["gpu"],
    params:
        study=result("study.json"),
        key=key("calibration", "algorithm"),
    message:
        "Measure how fast {wildcards.algorithm} is trained"
    shell:
        "python -m modeldiff calibrate {params.study:q} {wildcards.algorithm:q}"
        " --dataset {input.dataset:q} --gpu {resources.gpu} --threads {threads}"
        " --output {output:q} &> {log:q}"


rule train:
    input:
        **training_files(),
    output:
        result("{algorithm}/shards/{first}-{stop}.npy"),
    log:
        result("logs/train/{algorithm}-{first}-{stop}.log"),
    benchmark:
        result("benchmarks/train/{algorithm}-{first}-{stop}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.config["training"]["threads"]
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.config["training"]["gpu"],
        width=width,
    params:
        study=result("study.json"),
        key=key("training", "algorithm"),
    message:
        "Train models {wildcards.first} to {wildcards.stop} of {wildcards.algorithm}"
    shell:
        "python -m modeldiff train {params.study:q} {wildcards.algorithm:q}"
        " --models {wildcards.first}:{wildcards.stop} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"


rule train_full:
    input:
        **training_files(),
    output:
        result("{algorithm}/full/{first}-{stop}.npz"),
    log:
        result("logs/full/{algorithm}-{first}-{stop}.log"),
    benchmark:
        result("benchmarks/full/{algorithm}-{first}-{stop}.tsv")
    conda:
        "../envs/modeldiff.yaml"
    threads: study.config["training"]["threads"]
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=study.config["training"]["gpu"],
        width=width,
    params:
        study=result("study.json"),
        key=key("full", "algorithm"),
    message:
        "Train full-data models {wildcards.first} to {wildcards.stop} of {wildcards.algorithm}"
    shell:
        "python -m modeldiff train --full {params.study:q} {wildcards.algorithm:q}"
        " --models {wildcards.first}:{wildcards.stop} --dataset {input.dataset:q}"
        " --gpu {resources.gpu} --threads {threads} --width {resources.width}"
        " --output {output:q} &> {log:q}"
