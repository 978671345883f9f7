"""A short measurement before training: the fastest number of models at once, and their time.

Training time is linear in the number of epochs, so two short trainings predict a whole one.
"""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modeldiff import subsets
from modeldiff.dataset import Dataset
from modeldiff.jobs import sharding
from modeldiff.study import Algorithm, Study
from modeldiff.training import engine
from modeldiff.training.fit import Member
from modeldiff.training.shard import forgotten

SHORT = (3, 1)  # epochs of the two trainings; the longer first: it warms up
WIDEST = 512  # models at once
GAIN = 0.05  # less is not worth twice the memory
PATIENCE = 2  # widths in a row that do not pay off
LONG = 60.0  # seconds of a measurement after which no wider one is tried
Clock = Callable[[], float]


def calibrate(study: Study, name: str, data: Dataset, output: str | Path, *, device: str) -> None:
    """Measure the algorithm `name` and write `jobs.Calibration` to `output` (JSON).

    The time that the process took so far (importing, reading the data) is counted for every job.
    """
    started = time.process_time()
    tried = widths(study, name, data, device, time.monotonic)
    width = fastest(tried)
    found = sharding.Calibration(width, tried[width], started)
    found.write(output, study.key("calibration", name), device=device, seconds_by_width=tried)


def widths(study: Study, name: str, data: Dataset, device: str, clock: Clock) -> dict[int, float]:
    """Seconds per model at the config's width; if that is `auto`, at 1, 2, 4, ... models at once.

    It ends where a larger width does not pay off, is impossible, or might exceed a job's memory.
    """
    most = study.models or study.full_models
    if study.training.width != "auto":
        width = min(study.training.width, most)
        return {width: seconds(study, name, data, width, device, clock)[0]}
    tried: dict[int, float] = {}
    width, losses = 1, 0
    while width <= min(WIDEST, most) and losses < PATIENCE:
        start, best = time.monotonic(), min(tried.values(), default=float("inf"))
        found, at_once = seconds(study, name, data, width, device, clock)
        if at_once < width:
            break
        tried[width] = found
        losses = 0 if found < (1 - GAIN) * best else losses + 1
        if time.monotonic() - start > LONG or _peak_mb() > study.training.memory / 2:
            break
        width *= 2
    return tried


def fastest(tried: dict[int, float]) -> int:
    """The smallest width that is as fast as any, within `GAIN`."""
    best = min(tried.values())
    return min(width for width, found in tried.items() if found <= best / (1 - GAIN))


def seconds(
    study: Study,
    name: str,
    data: Dataset,
    width: int,
    device: str,
    clock: Clock,
    *,
    full: bool = False,
) -> tuple[float, int]:
    """Seconds, by `clock`, that each model takes in a job that trains `width` at once.

    full: on all training examples, else on a subset. Includes the margins on the targets.
    Also returns how many are really trained at once: fewer if the model or the device does not
    allow it.
    """
    n = len(data.train.labels)
    masks = np.ones((2 * width, n), bool)
    if not full:
        masks = subsets.draw(n, range(2 * width), study.alpha, study.seed)
    members = [
        Member((study.seed, name, "calibration", m), np.flatnonzero(mask), f"measuring {name}")
        for m, mask in enumerate(masks)
    ]
    algorithm, compiled = study.algorithms[name], study.training.compile
    if algorithm.train is not None or algorithm.epochs <= SHORT[0]:
        return _group(algorithm, data, members, width, device, clock, compiled)
    longer = replace(algorithm, epochs=SHORT[0])
    shorter = replace(algorithm, epochs=SHORT[1])
    more, at_once = _group(longer, data, members, width, device, clock, compiled)
    few, _ = _group(shorter, data, members, width, device, clock, compiled)
    epoch = (more - few) / (SHORT[0] - SHORT[1])
    return more + (algorithm.epochs - SHORT[0]) * epoch, at_once


def _group(
    algorithm: Algorithm,
    data: Dataset,
    members: Sequence[Member],
    width: int,
    device: str,
    clock: Clock,
    compiled: bool,
) -> tuple[float, int]:
    """Seconds per model of the second group, and its models; the first group warms up."""
    images = data.test.images[data.targets]
    groups = engine.train(
        algorithm,
        data.train,
        len(data.classes),
        members,
        width=width,
        device=device,
        compiled=compiled,
        forget=forgotten(algorithm, data),
    )
    for _ in range(2):
        start = clock()
        models = len(next(groups).logits(images).cpu())
        passed = clock() - start
    return passed / models, models


def _peak_mb() -> float:
    """The most memory this process has held."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return kilobytes / (2**20 if sys.platform == "darwin" else 2**10)
