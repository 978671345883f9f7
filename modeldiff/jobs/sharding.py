"""Which models each training job trains, and how many at once: as the config says, or as measured.

No torch here: Snakemake reads this module to build its plan.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.study import Study, limits, stages
from modeldiff.study.stage import Names
from modeldiff.study.stages import STAGES

NAME = re.compile(r"(\d+)-(\d+)\.np[yz]")
Job = tuple[str | int, ...]  # what a job is for: an algorithm and some of its models, a pair, ...


@dataclass(frozen=True)
class Calibration:
    """What was measured of one algorithm, on a machine and device that it is trained on.

    width: models trained at once; seconds_per_model: of one on its subset, at this width, as time
    passes; seconds_per_job: what a job takes besides (importing, reading the data).
    """

    width: int
    seconds_per_model: float
    seconds_per_job: float

    def write(self, path: str | Path, key: str, **facts: Any) -> None:
        """Write it with where it comes from; facts: further JSON values."""
        artifacts.write_json(path, {"key": key} | asdict(self) | facts | artifacts.origin())


def measured(study: Study) -> bool:
    """Whether jobs follow from a calibration, not from the config alone."""
    return study.training.width == "auto" or study.training.minutes_per_job is not None


def calibration(study: Study, name: str, path: str | Path) -> Calibration:
    """Read what was measured; CorruptArtifact if it is not there, or not of these settings."""
    try:
        content = json.loads(Path(path).read_text())
        if content["key"] != study.key("calibration", name):
            raise CorruptArtifact(f"{path}: was made from other settings")
        return Calibration(
            width=content["width"],
            seconds_per_model=content["seconds_per_model"],
            seconds_per_job=content["seconds_per_job"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise CorruptArtifact(
            f"{path}: is no readable calibration; remove it and run again"
        ) from None


def width(study: Study, name: str, path: str | Path) -> int:
    """How many models are trained at once; `path`: of the calibration, read if it is needed."""
    if name not in study.trained:  # its checkpoints are read
        return 1
    chosen = study.training.width
    return calibration(study, name, path).width if chosen == "auto" else chosen


def jobs(study: Study, stage: str, names: tuple[str, ...], folder: str | Path) -> list[Job]:
    """The jobs that make a stage's result, each by what it is for, as `stages.path` takes it.

    names: whose result, as for `Study.key`. None where another stage's one job does it all.
    """
    per = STAGES[stage].per
    if per in ("models", "retrained"):
        ranges = cut(study, stage, names, folder)
        return [(*names, models.start, models.stop) for models in ranges]
    if per == "targets":
        parts = study.datamodels.jobs
        return [(*names, i, parts) for i in range(parts)] if parts > 1 else []
    return [names]


def cut(study: Study, stage: str, names: Names, folder: str | Path) -> Iterator[range]:
    """All models of `stage` ("training": on subsets; "full"; "retraining"), cut into what one job
    trains each.

    names: whose result, as for `Study.key`. folder: of the study's results. Jobs that are finished
    stay as they were cut, so that a study that grows, or is cut otherwise from now on, trains no
    model again. CorruptArtifact if the calibration is needed and is not there.
    """
    models = _models(study, stage, names)
    made = finished(study, stage, names, folder)
    size = _size(study, stage, names, folder)
    starts = sorted(made)
    start = 0
    while start < models:
        stop = made.get(start, models + 1)
        if stop > models:
            later = bisect_right(starts, start)
            stop = min(start + size, models, *starts[later : later + 1])
        yield range(start, stop)
        start = stop


def unfinished(study: Study, stage: str, names: Names, folder: str | Path) -> list[range]:
    """Those of `cut` whose result is not there."""
    made = finished(study, stage, names, folder)
    unmade = []
    for models in cut(study, stage, names, folder):
        if made.get(models.start) != models.stop:
            unmade.append(models)
    return unmade


def _models(study: Study, stage: str, names: Names) -> int:
    """How many models of an algorithm a stage trains; of "retraining", in a round of a pair."""
    name = STAGES[stage].algorithm(names)
    if stage == "training":
        return study.models if name in study.fitted else 0
    if stage == "retraining":
        return study.proof.retrained(int(names[-1]))
    return study.full_models_of(name)


def _size(study: Study, stage: str, names: Names, folder: str | Path) -> int:
    """Models of one job. How long one takes goes with how many examples it is trained on."""
    minutes = study.training.minutes_per_job
    name = STAGES[stage].algorithm(names)
    if minutes is None or name not in study.trained:
        return study.training.shard
    calibrated = calibration(study, name, Path(folder) / stages.path("calibration", name))
    share = study.alpha / examples_share(study, stage)
    seconds = 60 * minutes - calibrated.seconds_per_job
    models = _models(study, stage, names)
    fewest = -(-models // limits.MOST_MEASURED)  # not more jobs than can be planned
    size = max(fewest, 1, int(share * seconds / calibrated.seconds_per_model))
    return size - size % calibrated.width if size > calibrated.width else size


def examples_share(study: Study, stage: str) -> float:
    """Share of the training examples that a model of a stage learns from, at most."""
    if stage == "training":
        return study.alpha
    # Where groups are left out, models learn from nearly all examples.
    halves_alone = not study.proof.removal and not study.proof.groups
    return 0.5 if stage == "retraining" and halves_alone else 1.0


def finished(study: Study, stage: str, names: Names, folder: str | Path) -> dict[int, int]:
    """The first model of each finished job, and where it stops (the longest, of several)."""
    made: dict[int, int] = {}
    key = study.key(stage, *names)
    every = Path(folder) / stages.path(STAGES[stage].main, *names, "*", "*")
    for path in every.parent.glob(every.name) if every.parent.is_dir() else ():
        if (match := NAME.fullmatch(path.name)) is None:
            continue
        start = int(match[1])
        stop = int(match[2])
        try:
            if artifacts.record(path)["key"] == key:
                made[start] = max(stop, made.get(start, 0))
        except CorruptArtifact:
            continue
    return made
