# What all rules share: the study, where its results lie, what each rule depends on.
import re
import sys

from modeldiff import status
from modeldiff.errors import UserError
from modeldiff.study import Study

try:
    study = Study.load(config, files=workflow.configfiles)
except UserError as error:
    sys.exit(f"modeldiff: {error}")

DATASET = {"train": "train.npz", "test": "test.npz", "dataset": "manifest.json"}


wildcard_constraints:
    algorithm="|".join(map(re.escape, study.algorithms)),
    a="|".join(map(re.escape, study.algorithms)),
    b="|".join(map(re.escape, study.algorithms)),
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


def result(path):
    """A file of this study."""
    return f"{study.folder}/{path}"


def key(room, *wildcards):
    """The hash of all settings the rule's result depends on: only a change of it reruns the rule."""
    return lambda wc: study.key(room, *(wc[name] for name in wildcards))


def dataset_files():
    """The prepared data set; the manifest is what commands are given, the rest lies beside it."""
    return {k: result(f"dataset/{v}") for k, v in DATASET.items()}


def shards(wildcards):
    """All shards of an algorithm, in order."""
    name = f"{wildcards.algorithm}/shards"
    return [
        result(f"{name}/{s.start}-{s.stop}.npy") for s in study.shards(study.models)
    ]


def checkpoints(wildcards):
    """All files of full-data models of an algorithm, in order."""
    models = study.config["verification"]["models"]
    name = f"{wildcards.algorithm}/full"
    return [result(f"{name}/{s.start}-{s.stop}.npz") for s in study.shards(models)]


def of_pair(path):
    """The file `path` of each algorithm of a pair."""
    return lambda wc: [result(f"{name}/{path}") for name in (wc.a, wc.b)]


def pairs(path):
    """The file `path` of every pair."""
    return [result(f"{a}-vs-{b}/{path}") for a, b in study.pairs]


def of_algorithms(path):
    """The file `path` of every algorithm."""
    return [result(f"{name}/{path}") for name in study.algorithms]
