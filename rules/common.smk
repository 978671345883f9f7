# What all rules share: the study, where its results lie, what each rule depends on.
import re
import sys

from modeldiff.jobs import changes, sharding, status
from modeldiff.study import limits
from modeldiff.core.errors import UserError
from modeldiff.study import Study

try:
    study = Study.load(config, files=workflow.configfiles)
except UserError as error:
    sys.exit(error.report())

# What has changed since the last run and what follows, what takes long: said once, not by every job.
if workflow.is_main_process:
    for line in (*changes.lines(study), *limits.warnings(study.config)):
        print(f"modeldiff: {line}", file=sys.stderr)

DATASET = {"train": "train.npy", "test": "test.npy", "dataset": "manifest.json"}


wildcard_constraints:
    algorithm="|".join(map(re.escape, study.names)),
    a="|".join(map(re.escape, study.names)),
    b="|".join(map(re.escape, study.names)),
    first=r"\d+",
    stop=r"\d+",


# Jobs use the package of this checkout, also in a conda environment that has all but it.
shell.prefix(f"export PYTHONPATH={workflow.basedir!r}:${{{{PYTHONPATH:-}}}}; ")


# The checked study, which every command reads. It is no rule's input: what a rule depends on is
# its `key`, so that a change of the config reruns the rules it concerns and no others.
onstart:
    study.write(result("study.json"))
    # Training jobs write to their logs: what they say of their progress is told here.
    status.follow(
        study.folder, lambda line: print(line, file=sys.stderr, flush=True)
    )


# What a run that failed leaves undone, and how to go on: Snakemake's own last words name a log.
onerror:
    from modeldiff.jobs import missing

    for line in missing.lines(study):
        print(f"modeldiff: {line}", file=sys.stderr, flush=True)


def result(path):
    """A file of this study."""
    return f"{study.folder}/{path}"


def key(room, *wildcards):
    """The hash of all settings the rule's result depends on: only a change of it reruns the rule."""
    return lambda wc: study.key(room, *(wc[name] for name in wildcards))


def dataset_files():
    """The prepared data set; the manifest is what commands are given, the rest lies beside it."""
    return {k: result(f"dataset/{v}") for k, v in DATASET.items()}


def training_files():
    """The prepared data set, and the file of FFCV's where training reads that."""
    beton = {"beton": result("dataset/train.beton")} if study.beton else {}
    return dataset_files() | beton


def cut(room, algorithm):
    """What each training job of `room` trains; where jobs follow from a calibration, once it is made."""
    if sharding.measured(study):
        checkpoints.calibrate.get(algorithm=algorithm)
    return sharding.cut(study, room, algorithm, study.folder)


def shards(wildcards):
    """All shards of an algorithm, in order."""
    name = wildcards.algorithm
    ranges = cut("training", name)
    return [result(f"{name}/shards/{r.start}-{r.stop}.npy") for r in ranges]


def full_models(wildcards):
    """All files of full-data models of an algorithm, in order."""
    name = wildcards.algorithm
    return [result(f"{name}/full/{r.start}-{r.stop}.npz") for r in cut("full", name)]


def width(wildcards, attempt):
    """Models trained at once. Like `gpu` it is what a job is given, not what its models depend on."""
    name = wildcards.algorithm
    return sharding.width(study, name, result(f"{name}/calibration.json"))


def memory(wildcards, attempt):
    """MB, more at each retry."""
    return study.config["training"]["memory"] * attempt


def minutes(wildcards, attempt):
    """Time limit, more at each retry."""
    return study.config["training"]["minutes"] * attempt


def regression_memory(wildcards, attempt):
    """MB, more at each retry."""
    return study.config["datamodels"]["memory"] * attempt


def given(wildcards):
    """The files that an algorithm's scores come from."""
    return study.given(wildcards.algorithm)


def trak_gpu(wildcards):
    """GPUs that scores are computed on; a file is only read."""
    computed = study.scores[wildcards.algorithm].name == "trak"
    return study.config["training"]["gpu"] if computed else 0


def fits(wildcards):
    """The fits of an algorithm that are jobs of their own; none where one job does it all."""
    n = study.config["datamodels"]["jobs"]
    return [
        result(f"{wildcards.algorithm}/fits/{i}-of-{n}.npz") for i in range(n) if n > 1
    ]


def of_pair(path):
    """The file `path` of each algorithm of a pair."""
    return lambda wc: [result(f"{name}/{path}") for name in (wc.a, wc.b)]


def weights(wildcards):
    """What each algorithm of a pair is compared by: datamodels, or scores from elsewhere."""
    pair = wildcards.a, wildcards.b
    return [result(f"{name}/{study.weights(name)[1]}") for name in pair]


def models(wildcards):
    """Masks and margins of a pair's models, if both algorithms are trained on subsets."""
    pair = wildcards.a, wildcards.b
    if any(name in study.scores for name in pair):
        return []
    return [result("subsets/masks.npy")] + [result(f"{n}/margins.npy") for n in pair]


def pairs(path):
    """The file `path` of every pair."""
    return [result(f"{a}-vs-{b}/{path}") for a, b in study.pairs]


def of_fitted(path):
    """The file `path` of every algorithm that datamodels are fitted to."""
    return [result(f"{name}/{path}") for name in study.fitted]


def of_shown(path):
    """The file `path` of every algorithm whose models are shown features."""
    return [result(f"{name}/{path}") for name in study.trained if study.full_models]


def of_verified(path):
    """The file `path` of each algorithm whose effects stand beside a pair's."""
    shown = of_shown(path)
    return lambda wc: [
        result(f"{name}/{path}")
        for name in study.verified(wc.a, wc.b)
        if result(f"{name}/{path}") in shown
    ]
