"""How far a study is, from its files alone: on any machine that sees them, in any state of a run.

Reads records and the ends of logs, never arrays; imports no torch. A shard counts once it is whole
and made for the study's settings; the models of an unfinished job are known from the progress bar
in its log.
"""

import re
import threading
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from modeldiff import margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import sharding
from modeldiff.study import Study, stages
from modeldiff.study.stages import STAGES, Names, Stage

BAR = re.compile(r"(\d+)/\d+ \[([\d:]+)<")  # tqdm: 250/500 [00:05<00:05, 48.2model/s]
TAIL = 4096  # bytes of a log that are read
QUIET = 120.0  # seconds without a word of a job that are nothing to speak of
MANY = 5.0  # nor are so many times the seconds of a model


class Silent(NamedTuple):
    """A job's log that has not changed for some seconds, and the model that comes next in it."""

    log: str
    model: int
    seconds: float


class Stretch(NamedTuple):
    """One job's training: from when to when (seconds since 1970), and how many models."""

    start: float
    stop: float
    models: int


@dataclass
class Progress:
    """One algorithm's state.

    trained, failed: models of whole shards; reasons: how many failed for each reason;
    running: finished models of unfinished jobs; silent: those jobs that say nothing any more;
    full: models trained on all data, of `full_models`; room: the first stage that is
    not done.
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
    found = {n: _algorithm(study, folder, n, stretches, stopped) for n in study.names}
    jobs = _at_a_time([s for own in stretches.values() for s in own])
    for name, own in found.items():
        models = sum(s.models for s in stretches[name])
        if models:
            own.seconds_per_model = sum(s.stop - s.start for s in stretches[name]) / models
        left = own.models - own.trained - own.running
        if left == 0:
            own.seconds_left = 0.0
        elif own.seconds_per_model is not None and jobs:
            own.seconds_left = left * own.seconds_per_model / jobs
        patience = max(QUIET, MANY * (own.seconds_per_model or 0.0))
        own.silent = [each for each in own.silent if each.seconds > patience]
    page = folder / stages.path("report")
    times = [own.seconds_left for own in found.values()]
    known = [t for t in times if t is not None]
    return Status(
        study=study.name,
        algorithms=found,
        report=str(page) if _record(page, study.key("report")) else None,
        jobs_at_a_time=jobs,
        seconds_left=sum(known) if len(known) == len(times) else None,
        stopped=stopped,
    )


def _algorithm(
    study: Study,
    folder: Path,
    name: str,
    stretches: dict[str, list[Stretch]],
    stopped: dict[str, str],
) -> Progress:
    """An algorithm's counts; adds its jobs' times to `stretches`, its broken jobs to `stopped`."""
    found = Progress(
        models=study.models if name in study.fitted else 0,
        full_models=study.full_models if name in study.trained else 0,
    )
    of, key = stretches.setdefault(name, []), study.key("training", name)
    causes: list[str] = []
    for models in _cut(study, "training", name, folder):
        job = name, models.start, models.stop
        record = _record(folder / stages.path("shards", *job), key)
        if record is not None:
            found.trained += len(models)
            causes += record["failed"].values()
            fresh = len(models) - record.get("resumed_at", 0)
            if fresh and "models_per_second" in record:
                stop = timegm(time.strptime(record["made"], "%Y-%m-%dT%H:%M:%SZ"))
                of.append(Stretch(stop - fresh / record["models_per_second"], stop, fresh))
            continue
        log = folder / stages.log("training", *job)
        done, said, silence = _progress(log, of)
        found.running += done
        if said:
            stopped[str(log)] = said
        elif silence is not None:
            found.silent.append(Silent(str(log), models.start + done, silence))
    gathered = _record(folder / stages.path("margins", name), study.key("margins", name))
    if gathered is not None:  # which models are far below the others is known only then
        causes = list(gathered["failed"].values())
    found.failed, found.reasons = len(causes), margins.reasons(causes)
    for models in _cut(study, "full", name, folder):
        path = folder / stages.path("checkpoints", name, models.start, models.stop)
        found.full += len(models) * (_record(path, study.key("full", name)) is not None)
    found.room = _first_missing(study, folder, name, found)
    return found


def _cut(study: Study, stage: str, name: str, folder: Path) -> list[range]:
    """What each job trains; nothing before it was measured how much that is."""
    try:
        return list(sharding.cut(study, stage, name, folder))
    except CorruptArtifact:
        return []


def _first_missing(study: Study, folder: Path, name: str, found: Progress) -> str:
    """What `status` calls the first stage whose result an algorithm waits for, or "done"."""
    for stage in STAGES.values():
        if not stage.milestone:
            continue
        if stage.name == "training":  # its jobs were counted
            done = found.trained == found.models
        else:
            done = all(
                _record(folder / stages.path(stage.main, *of), study.key(stage.name, *of))
                for of in _waited_for(study, stage, name)
            )
        if not done:
            return stage.milestone
    return "done"


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


def _progress(log: Path, stretches: list[Stretch]) -> tuple[int, str, float | None]:
    """Models that an unfinished job has trained, its last word if it has ended, and for how many
    seconds it has said nothing; None if there is no log.

    The last word of a job that a user's function has ended stands above that function's traceback.
    """
    try:
        with open(log, "rb") as file:
            stop = file.seek(0, 2)
            file.seek(max(0, stop - TAIL))
            lines = [x for x in re.split(r"[\r\n]+", file.read().decode(errors="replace")) if x]
            changed = log.stat().st_mtime
    except OSError:
        return 0, "", None
    bars = [(i, bar) for i, line in enumerate(lines) if (bar := BAR.search(line))]
    done, after = 0, lines
    if bars:
        last, bar = bars[-1]
        seconds = 0
        for part in bar[2].split(":"):
            seconds = 60 * seconds + int(part)
        done, after = int(bar[1]), lines[last + 1 :]
        if done and seconds:
            stretches.append(Stretch(changed - seconds, changed, done))
    # The last line is a bar while the job runs, and after it was killed outright.
    said = [line.strip() for line in after]
    own = [line for line in said if line.startswith("modeldiff: ")]
    word = (own or said or [""])[-1]
    return done, word, time.time() - changed


def last_word(log: Path) -> str:
    """The last line of a job's log, unless it is a progress bar."""
    return _progress(log, [])[1]


def _at_a_time(stretches: list[Stretch]) -> float | None:
    """Jobs that ran side by side, on average over the time in which any ran."""
    busy, end = 0.0, float("-inf")
    for start, stop, _ in sorted(stretches):
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return sum(s.stop - s.start for s in stretches) / busy if busy else None


def lines(status: Status) -> Iterator[str]:
    """A table for people."""
    yield f"{'':16} {'trained':>13} {'failed':>6} {'per second':>10} {'left':>8} {'full':>9}  room"
    for name, own in status.algorithms.items():
        trained = f"{own.trained + own.running}/{own.models}"
        yield (
            f"{name:16} {trained:>13} {own.failed:>6} {_rate(own, status):>10} "
            f"{_time(own.seconds_left):>8} {f'{own.full}/{own.full_models}':>9}  {own.room}"
        )
    for name, own in status.algorithms.items():
        if own.failed:
            yield f"failed: {own.failed} of {name}: {margins.reasons_in_words(own.reasons)}"
    if any(own.failed for own in status.algorithms.values()):
        yield f"        {margins.SELECTION}"
    for log, said in status.stopped.items():
        yield f"stopped: {log}: {said}"
    for name, own in status.algorithms.items():
        for log, model, seconds in own.silent:
            yield (
                f"no progress for {_time(seconds)}: {log}: model {model} of {name}; if its job "
                "still runs, it may hang: stopped, it keeps what is finished"
            )
    if status.report:
        yield f"report: {status.report}"


def line(status: Status) -> str:
    """The training of all algorithms in one line."""
    parts = []
    compared = {name: own for name, own in status.algorithms.items() if own.models}
    for name, own in compared.items():
        trained = own.trained + own.running
        why = margins.reasons_in_words(own.reasons)
        more = f", {own.failed} failed ({why})" if own.failed else ""
        if 0 < trained < own.models:
            more += f", {_rate(own, status)}/s, {_time(own.seconds_left)} left"
        parts.append(f"{name} {trained}/{own.models} models{more}")
    return "; ".join(parts)


def follow(folder: str | Path, say: Callable[[str], Any], every: float = 5.0) -> None:
    """Say `line` whenever it has changed, from a thread that ends with training or the process.

    every: seconds; more where reading takes long, so that it takes a twentieth of a core at most.
    """

    def watch() -> None:
        said, training = "", True
        while training:
            start = time.monotonic()
            with suppress(UserError):
                found = read(folder)
                training = any(own.room == "training" for own in found.algorithms.values())
                if (now := line(found)) != said:
                    said = now
                    say(said)
            time.sleep(max(every, 20 * (time.monotonic() - start)))

    threading.Thread(target=watch, daemon=True).start()


def _rate(own: Progress, status: Status) -> str:
    if not own.seconds_per_model or not status.jobs_at_a_time:
        return "-"
    return f"{status.jobs_at_a_time / own.seconds_per_model:.3g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
