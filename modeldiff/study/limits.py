"""How large a study may be: what Snakemake can plan, a command line hold, a file system name.

Measured: Snakemake takes 0.5 to 1.3 ms and 13 KB a job to plan, and 12 ms to run it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.core import paths
from modeldiff.study import stages
from modeldiff.study.config_file import KeyPath
from modeldiff.study.estimators import says_how_to_train
from modeldiff.study.proof_section import Proof

MANY_JOBS = 20_000  # planned in half a minute and 400 MB
MOST_JOBS = 100_000  # planned in two minutes and 1.4 GB
SECONDS_PER_JOB = 0.0013
MOST_MEASURED = 10_000  # of an algorithm, where their size follows from a measurement
COMMAND = 1_500_000  # bytes of a command's arguments; Linux allows 2 MiB, environment included


def exceeded(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Each key of a checked config that asks for more, and what would be right."""
    for what in paths.unfit(f"{config['results']}/{config['study']}"):
        yield ("results",), what
    training = config["training"]
    if training["minutes_per_job"] is None:  # else jobs follow from what is measured
        yield from _shard(config)
    if jobs(config) > MOST_JOBS:
        what = f"makes {jobs(config):,} jobs of all algorithms and pairs; Snakemake can plan"
        yield ("comparison", "pairs"), f"{what} {MOST_JOBS:,}"


def warnings(config: Mapping[str, Any]) -> Iterator[str]:
    """What takes long though it is allowed; it is said before Snakemake falls silent."""
    planned = jobs(config)
    if planned > MANY_JOBS:
        minutes = planned * SECONDS_PER_JOB / 60
        yield (
            f"{planned:,} jobs are planned, which takes about {minutes:.0f} minutes; a larger "
            "training.shard makes fewer"
        )


def _shard(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Too many training jobs: of an algorithm, whose files one command gathers, or in all."""
    shard = config["training"]["shard"]
    models = _models(config)
    for name, counts in models.items():
        file = stages.path("shards", name, counts[0], counts[0])
        most = COMMAND // len(f"{config['results']}/{config['study']}/{file} ".encode())
        if max(counts) > most * shard:
            needed = _divided(max(counts), most)
            what = f"is {shard}, which makes {_divided(max(counts), shard):,} jobs of {name}"
            yield ("training", "shard"), f"{what}; {needed:,} or more would be right"
    total = sum(sum(counts) for counts in models.values())
    training_jobs = _training_jobs(models, shard)
    if training_jobs > MOST_JOBS:
        what = f"is {shard}, which makes {training_jobs:,} training jobs; Snakemake can plan"
        yield ("training", "shard"), f"{what} {MOST_JOBS:,}: {2 * total // MOST_JOBS:,} is right"


def jobs(config: Mapping[str, Any]) -> int:
    """Jobs of a checked config, about; those that train as far as they do not follow from a
    measurement.
    """
    training = config["training"]
    models = _models(config)
    planned = 4 * len(models) + 4 * len(config["comparison"]["pairs"])
    for on_subsets, _ in models.values():
        if on_subsets > 0:
            planned += config["datamodels"]["jobs"]
    if training["minutes_per_job"] is None:
        planned += _training_jobs(models, training["shard"]) + _retraining_jobs(config)
    return planned


def _retraining_jobs(config: Mapping[str, Any]) -> int:
    """Jobs that retrain models of both algorithms of all pairs, in all rounds, at most."""
    if "proof" not in config:
        return 0
    proof = Proof.model_validate(config["proof"])
    in_a_round = _divided(proof.retrained(proof.rounds), config["training"]["shard"])
    return 2 * len(config["comparison"]["pairs"]) * proof.rounds * in_a_round


def _training_jobs(models: dict[str, tuple[int, int]], shard: int) -> int:
    """Jobs that train all models."""
    total = 0
    for on_subsets, on_all in models.values():
        total += _divided(on_subsets, shard) + _divided(on_all, shard)
    return total


def _divided(number: int, by: int) -> int:
    """`number` / `by`, rounded up."""
    return -(-number // by)


def _models(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Models of each algorithm that are trained on subsets, and on all data."""
    compared = set().union(*config["comparison"]["pairs"])
    drawn = config["subsets"]["models"] if "subsets" in config else 0
    models = {}
    for name, entry in config["algorithms"].items():
        fitted = name in compared and "scores" not in entry
        trained = says_how_to_train(entry)
        on_subsets = drawn if fitted else 0
        on_all = config["verification"]["models"] if trained else 0
        models[name] = (on_subsets, on_all)
    return models
