"""How far a study is, from its files alone: on any machine that sees them, in any state of a run.

Reads records and the ends of logs, never arrays; imports no torch. A shard counts once it is whole
and made for the study's settings; the models of an unfinished job are known from the progress bar
in its log.
"""

import threading
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from modeldiff import margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import job_logs, sharding
from modeldiff.jobs.job_logs import Stretch
from modeldiff.study import Study, stages
from modeldiff.study.stage import Names, Stage
from modeldiff.study.stages import STAGES

QUIET = 120.0  # seconds without a word of a job that are nothing to speak of
MANY = 5.0  # nor are so many times the seconds of a model


class Silent(NamedTuple):
    """A job's log that has not changed for some seconds, and the model that comes next in it."""

    log: str
    model: int
    seconds: float


@dataclass
class Progress:
    """One algorithm's state.

    trained, failed: models of whole shards; reasons: how many failed for each reason;
    running: finished models of unfinished jobs; silent: those jobs that say nothing any more;
    full: models trained on all data, of `full_models`; retrained: models that prove proposals, of
    `retrained_models` at most; room: the first stage that is not done.
    seconds_per_model: of one job, None before any model is finished. seconds_left: of training on
    subsets, at the present number of jobs at a time; None if unknown.
    """

    models: int
    trained: int = 0
    running: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    silent: list[Silent] = field(default_factory=list)
    full_models: int = 0
    full: int = 0
    retrained_models: int = 0
    retrained: int = 0
    room: str = "done"
    seconds_per_model: float | None = None
    seconds_left: float | None = None


@dataclass
class Status:
    """A study's state. jobs_at_a_time: training jobs, on average over the time any ran;
    stopped: last line of each log whose job ended without a result.
    """

    study: str
    algorithms: dict[str, Progress]
    report: str | None
    jobs_at_a_time: float | None
    seconds_left: float | None
    stopped: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)


def read(folder: str | Path) -> Status:
    """The state of the study whose results lie in `folder`."""
    folder = Path(folder)
    path = folder / stages.STUDY
    if not path.is_file():
        raise UserError(
            f"{folder}: holds no readable study.json; must be the folder of a run that has "
            "started, e.g. results/digits"
        )
    study = Study.recorded(path)
    stretches: dict[str, list[Stretch]] = {}
    stopped: dict[str, str] = {}
    algorithms: dict[str, Progress] = {}
    for name in study.names:
        algorithms[name] = _algorithm(study, folder, name, stretches, stopped)
    jobs = _at_a_time(list(chain(*stretches.values())))
    for name, progress in algorithms.items():
        _forecast(progress, stretches[name], jobs)
    page = folder / stages.path("report")
    return Status(
        study=study.name,
        algorithms=algorithms,
        report=str(page) if _record(page, study.key("report")) else None,
        jobs_at_a_time=jobs,
        seconds_left=_seconds_left(algorithms),
        stopped=stopped,
    )


def _forecast(progress: Progress, stretches: list[Stretch], jobs: float | None) -> None:
    """Fill in how long a model takes and what is left, and forget silences that mean nothing."""
    models = sum(stretch.models for stretch in stretches)
    if models:
        progress.seconds_per_model = _seconds(stretches) / models
    left = progress.models - progress.trained - progress.running
    if left == 0:
        progress.seconds_left = 0.0
    elif progress.seconds_per_model is not None and jobs:
        progress.seconds_left = left * progress.seconds_per_model / jobs
    patience = max(QUIET, MANY * (progress.seconds_per_model or 0.0))
    progress.silent = [silent for silent in progress.silent if silent.seconds > patience]


def _seconds_left(algorithms: dict[str, Progress]) -> float | None:
    """Of all algorithms; None if it is unknown of one."""
    total = 0.0
    for progress in algorithms.values():
        if progress.seconds_left is None:
            return None
        total += progress.seconds_left
    return total


def _algorithm(
    study: Study,
    folder: Path,
    name: str,
    stretches: dict[str, list[Stretch]],
    stopped: dict[str, str],
) -> Progress:
    """An algorithm's counts; adds its jobs' times to `stretches`, its broken jobs to `stopped`."""
    progress = Progress(
        models=study.models if name in study.fitted else 0,
        full_models=study.full_models_of(name),
        retrained_models=sum(study.proof.retrained(int(of[-1])) for of in _retraining(study, name)),
    )
    of_jobs = stretches.setdefault(name, [])
    key = study.key("training", name)
    causes: list[str] = []
    for models in _cut(study, "training", (name,), folder):
        job = name, models.start, models.stop
        record = _record(folder / stages.path("shards", *job), key)
        if record is not None:
            progress.trained += len(models)
            causes += record["failed"].values()
            fresh = len(models) - record.get("resumed_at", 0)
            if fresh and "models_per_second" in record:
                stop = timegm(time.strptime(record["made"], "%Y-%m-%dT%H:%M:%SZ"))
                of_jobs.append(Stretch(stop - fresh / record["models_per_second"], stop, fresh))
            continue
        log = folder / stages.log("training", *job)
        done, said, silence = job_logs.progress(log, of_jobs)
        progress.running += done
        if said:
            stopped[str(log)] = said
        elif silence is not None:
            progress.silent.append(Silent(str(log), models.start + done, silence))
    gathered = _record(folder / stages.path("margins", name), study.key("margins", name))
    if gathered is not None:  # which models are far below the others is known only then
        causes = list(gathered["failed"].values())
    progress.failed = len(causes)
    progress.reasons = margins.reasons(causes)
    progress.full = _finished(study, "full", (name,), folder)
    for names in _retraining(study, name):
        progress.retrained += _finished(study, "retraining", names, folder)
    progress.room = _first_missing(study, folder, name, progress)
    return progress


def _cut(study: Study, stage: str, names: Names, folder: Path) -> list[range]:
    """What each job trains; nothing before it was measured how much that is."""
    try:
        return list(sharding.cut(study, stage, names, folder))
    except CorruptArtifact:
        return []


def _finished(study: Study, stage: str, names: Names, folder: Path) -> int:
    """Models of a stage's whole files."""
    made = sharding.finished(study, stage, names, folder)
    return sum(len(models) for models in _cut(study, stage, names, folder) if models.start in made)


def _retraining(study: Study, name: str) -> list[Names]:
    """The rounds of an algorithm's retraining, of all its pairs."""
    stage = STAGES["retraining"]
    return [names for names in stage.of(study) if stage.algorithm(names) == name]


def _first_missing(study: Study, folder: Path, name: str, progress: Progress) -> str:
    """What `status` calls the first stage whose result an algorithm waits for, or "done"."""
    for stage in STAGES.values():
        if not stage.milestone:
            continue
        if stage.name == "training":  # its jobs were counted
            done = progress.trained == progress.models
        else:
            done = all(_made(study, folder, stage, of) for of in _waited_for(study, stage, name))
        if not done:
            return stage.milestone
    return "done"


def _made(study: Study, folder: Path, stage: Stage, of: Names) -> bool:
    """Whether a stage's result is there."""
    path = folder / stages.path(stage.main, *of)
    return _record(path, study.key(stage.name, *of)) is not None


def _waited_for(study: Study, stage: Stage, name: str) -> list[Names]:
    """Those of a stage's results that an algorithm has a part in; what is the study's is all's."""
    if stage.per == "study":
        return [()]
    if stage.per == "pair":
        return [of for of in stage.of(study) if name in (*of, *stage.algorithms(study, *of))]
    return [of for of in stage.of(study) if of == (name,)]


def _record(path: Path, key: str) -> dict[str, Any] | None:
    """The record of an artifact that is there and was made for `key`."""
    try:
        record = artifacts.record(path)
    except CorruptArtifact:
        return None
    return record if record["key"] == key and path.exists() else None


def _at_a_time(stretches: list[Stretch]) -> float | None:
    """Jobs that ran side by side, on average over the time in which any ran."""
    busy = 0.0
    end = float("-inf")
    for start, stop, _ in sorted(stretches):
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return _seconds(stretches) / busy if busy else None


def _seconds(stretches: list[Stretch]) -> float:
    """How long they are together."""
    return sum(stretch.stop - stretch.start for stretch in stretches)


def lines(status: Status) -> Iterator[str]:
    """A table for people."""
    yield (
        f"{'':16} {'trained':>13} {'failed':>6} {'per second':>10} {'left':>8} {'full':>9} "
        f"{'retrained':>11}  room"
    )
    for name, progress in status.algorithms.items():
        trained = f"{progress.trained + progress.running}/{progress.models}"
        full = f"{progress.full}/{progress.full_models}"
        retrained = f"{progress.retrained}/{progress.retrained_models}"
        yield (
            f"{name:16} {trained:>13} {progress.failed:>6} {_rate(progress, status):>10} "
            f"{_time(progress.seconds_left):>8} {full:>9} "
            f"{retrained:>11}  {progress.room}"
        )
    failed = False
    for name, progress in status.algorithms.items():
        if progress.failed:
            failed = True
            reasons = margins.reasons_in_words(progress.reasons)
            yield f"failed: {progress.failed} of {name}: {reasons}"
    if failed:
        yield f"        {margins.SELECTION}"
    for log, said in status.stopped.items():
        yield f"stopped: {log}: {said}"
    for name, progress in status.algorithms.items():
        for log, model, seconds in progress.silent:
            yield (
                f"no progress for {_time(seconds)}: {log}: model {model} of {name}; if its job "
                "still runs, it may hang: stopped, it keeps what is finished"
            )
    if status.report:
        yield f"report: {status.report}"


def line(status: Status) -> str:
    """The training of all algorithms in one line; after it, the stage that comes next."""
    rooms = {progress.room for progress in status.algorithms.values()}
    milestones = [stage.milestone for stage in STAGES.values() if stage.milestone in rooms]
    if milestones and milestones[0] != "training":
        return f"next: {milestones[0]}"
    parts = []
    for name, progress in status.algorithms.items():
        if not progress.models:
            continue
        trained = progress.trained + progress.running
        part = f"{name} {trained}/{progress.models} models"
        if progress.failed:
            why = margins.reasons_in_words(progress.reasons)
            part += f", {progress.failed} failed ({why})"
        if 0 < trained < progress.models:
            part += f", {_rate(progress, status)}/s, {_time(progress.seconds_left)} left"
        parts.append(part)
    return "; ".join(parts)


def follow(folder: str | Path, say: Callable[[str], Any], every: float = 5.0) -> None:
    """Say `line` whenever it has changed, from a thread that ends with the study or the process.

    every: seconds; more where reading takes long, so that it takes a twentieth of a core at most.
    """

    def watch() -> None:
        said = ""
        done = False
        while not done:
            start = time.monotonic()
            with suppress(UserError):
                status = read(folder)
                done = all(each.room == "done" for each in status.algorithms.values())
                now = line(status)
                if now != said:
                    said = now
                    say(said)
            time.sleep(max(every, 20 * (time.monotonic() - start)))

    threading.Thread(target=watch, daemon=True).start()


def _rate(progress: Progress, status: Status) -> str:
    if not progress.seconds_per_model or not status.jobs_at_a_time:
        return "-"
    return f"{status.jobs_at_a_time / progress.seconds_per_model:.3g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
