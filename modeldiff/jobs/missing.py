"""Models whose training jobs did not finish: which, why, and how a study goes on.

Imports no torch: Snakemake says these lines at the end of a run that failed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modeldiff import dataset, margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import sharding, status
from modeldiff.study import Study, stages


def lines(study: Study) -> Iterator[str]:
    """For each algorithm that lacks models: which, the last word of a job, and how to go on."""
    for name, ranges in _unfinished(study).items():
        again = "the same command trains only these"
        if _too_many(study, name, ranges) is None:
            again += (
                f", or `modeldiff skip-missing {study.folder}/{stages.STUDY}` goes on without them"
            )
        elif study.config["training"]["allow_missing"] is None:
            again += "; `training.allow_missing: 1%` would let the study finish without a few"
        cause = next(filter(None, (_cause(study, name, r) for r in ranges)), "see the logs")
        yield f"models {_words(ranges)} of {name} are missing ({cause}): {again}"


def skip_missing(study: Study) -> Iterator[str]:
    """Write a shard without margins for each that is missing; says which and how to undo it.

    Its models count as failed from then on. Raises UserError, and writes nothing, if an algorithm
    lacks more than `training.allow_missing` of its models.
    """
    found = _unfinished(study)
    for name, ranges in found.items():
        if (why := _too_many(study, name, ranges)) is not None:
            raise UserError(why)
    manifest = Path(study.folder) / stages.path("dataset")
    targets = len(dataset.read_manifest(manifest, study.key("dataset"))["targets"])
    for name, ranges in found.items():
        written = []
        for models in ranges:
            cause = margins.MISSING + (_cause(study, name, models) or "its job did not finish")
            facts = {
                "algorithm": name,
                "models": [models.start, models.stop],
                "failed": {str(m): cause for m in models},
                "margin": study.config["training"]["margin"],
                "data": dataset.digest(manifest),
            }
            path = _shard(study, name, models)
            with artifacts.write(path, study.key("training", name), **facts) as file:
                np.save(file, np.full((len(models), targets), np.nan, np.float32))
            written.append(f"{path}*")
        written.append(
            f"{study.folder}/{stages.path('margins', name)}"
        )  # which Snakemake then makes anew
        yield (
            f"models {_words(ranges)} of {name} are given up: the same Snakemake command finishes "
            f"the study without them; to train them after all, first: rm -f {' '.join(written)}"
        )


def _unfinished(study: Study) -> dict[str, list[range]]:
    """What each algorithm lacks of its models on subsets, if it lacks any."""
    found = {}
    for name in study.fitted:
        try:
            ranges = sharding.unfinished(study, "training", name, study.folder)
        except CorruptArtifact:  # it was not even measured
            ranges = [range(study.models)]
        if ranges:
            found[name] = ranges
    return found


def _too_many(study: Study, name: str, ranges: list[range]) -> str | None:
    """Why these models cannot be given up; None if they can. Models given up before count, too."""
    text = study.config["training"]["allow_missing"]
    share = float(text.rstrip("%")) / 100 if text else 0.0
    records = [
        artifacts.record(_shard(study, name, r))
        for r in sharding.cut(study, "training", name, study.folder)
        if r not in ranges
    ]
    before = sum(
        cause.startswith(margins.MISSING) for r in records for cause in r["failed"].values()
    )
    missing = before + sum(map(len, ranges))
    if missing <= share * study.models:
        return None
    return (
        f"training.allow_missing: is {text or 'not set'}, but {missing} of {study.models} models "
        f"of {name} are missing; must be at least {100 * missing / study.models:.3g}%, or run "
        "Snakemake again to train them"
    )


def _cause(study: Study, name: str, models: range) -> str:
    """The last word of the job that should have trained the models."""
    log = Path(study.folder) / stages.log("training", name, models.start, models.stop)
    return status.last_word(log).removeprefix("modeldiff: ")


def _shard(study: Study, name: str, models: range) -> Path:
    return Path(study.folder) / stages.path("shards", name, models.start, models.stop)


def _words(ranges: list[range]) -> str:
    """`60-119, 180-239`; of many the first."""
    words = [f"{r.start}-{r.stop - 1}" for r in ranges[:5]]
    return ", ".join(words) + (f" and {len(ranges) - 5} more jobs'" if len(ranges) > 5 else "")
