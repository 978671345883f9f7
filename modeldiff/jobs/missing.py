"""Models whose training jobs did not finish: which, why, and how a study goes on.

Imports no torch: Snakemake says these lines at the end of a run that failed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modeldiff import dataset, margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import job_logs, sharding
from modeldiff.study import Study, stages

SHOWN = 5  # ranges of models that are named


def lines(study: Study) -> Iterator[str]:
    """For each algorithm that lacks models: which, the last word of a job, and how to go on."""
    for name, ranges in _unfinished(study).items():
        again = "the same command trains only these"
        if _too_many(study, name, ranges) is None:
            again += (
                f", or `modeldiff skip-missing {study.folder}/{stages.STUDY}` goes on without them"
            )
        elif study.training.allow_missing is None:
            again += "; `training.allow_missing: 1%` would let the study finish without a few"
        cause = _first_cause(study, name, ranges) or "see the logs"
        yield f"models {_words(ranges)} of {name} are missing ({cause}): {again}"


def skip_missing(study: Study) -> Iterator[str]:
    """Write a shard without margins for each that is missing; says which and how to undo it.

    Its models count as failed from then on. Raises UserError, and writes nothing, if an algorithm
    lacks more than `training.allow_missing` of its models.
    """
    lacking = _unfinished(study)
    for name, ranges in lacking.items():
        why = _too_many(study, name, ranges)
        if why is not None:
            raise UserError(why)
    manifest = Path(study.folder) / stages.path("dataset")
    targets = len(dataset.read_manifest(manifest, study.key("dataset"))["targets"])
    for name, ranges in lacking.items():
        written = []
        for models in ranges:
            cause = margins.MISSING + (_cause(study, name, models) or "its job did not finish")
            facts = {
                "algorithm": name,
                "models": [models.start, models.stop],
                "failed": dict.fromkeys(map(str, models), cause),
                "margin": study.training.margin,
                "data": dataset.digest(manifest),
            }
            path = _shard(study, name, models)
            with artifacts.write(path, study.key("training", name), **facts) as file:
                np.save(file, np.full((len(models), targets), np.nan, np.float32))
            written.append(f"{path}*")
        margins_path = f"{study.folder}/{stages.path('margins', name)}"
        written.append(margins_path)  # which Snakemake then makes anew
        yield (
            f"models {_words(ranges)} of {name} are given up: the same Snakemake command finishes "
            f"the study without them; to train them after all, first: rm -f {' '.join(written)}"
        )


def _unfinished(study: Study) -> dict[str, list[range]]:
    """What each algorithm lacks of its models on subsets, if it lacks any."""
    lacking = {}
    for name in study.fitted:
        try:
            ranges = sharding.unfinished(study, "training", (name,), study.folder)
        except CorruptArtifact:  # it was not even measured
            ranges = [range(study.models)]
        if ranges:
            lacking[name] = ranges
    return lacking


def _too_many(study: Study, name: str, ranges: list[range]) -> str | None:
    """Why these models cannot be given up; None if they can. Models given up before count, too."""
    text = study.training.allow_missing
    share = float(text.rstrip("%")) / 100 if text else 0.0
    missing = sum(map(len, ranges))
    for models in sharding.cut(study, "training", (name,), study.folder):
        if models not in ranges:
            record = artifacts.record(_shard(study, name, models))
            for cause in record["failed"].values():
                if cause.startswith(margins.MISSING):
                    missing += 1
    if missing <= share * study.models:
        return None
    return (
        f"training.allow_missing: is {text or 'not set'}, but {missing} of {study.models} models "
        f"of {name} are missing; must be at least {100 * missing / study.models:.3g}%, or run "
        "Snakemake again to train them"
    )


def _first_cause(study: Study, name: str, ranges: list[range]) -> str:
    """The last word of the first job that left one."""
    for models in ranges:
        cause = _cause(study, name, models)
        if cause:
            return cause
    return ""


def _cause(study: Study, name: str, models: range) -> str:
    """The last word of the job that should have trained the models."""
    log = Path(study.folder) / stages.log("training", name, models.start, models.stop)
    return job_logs.last_word(log).removeprefix("modeldiff: ")


def _shard(study: Study, name: str, models: range) -> Path:
    return Path(study.folder) / stages.path("shards", name, models.start, models.stop)


def _words(ranges: list[range]) -> str:
    """`60-119, 180-239`; of many the first."""
    words = ", ".join(f"{models.start}-{models.stop - 1}" for models in ranges[:SHOWN])
    if len(ranges) > SHOWN:
        words += f" and {len(ranges) - SHOWN} more jobs'"
    return words
