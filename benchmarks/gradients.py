"""Time and memory of influences by gradients: what `plan` says beside what one model really takes.

Images are noise, models untrained: neither changes what gradients cost. Each size is a process of
its own, so that its peak of memory is its own; what a process holds before it starts is taken off.
The largest size, 50,000 x 10,000 of ResNet-9, is only planned.

    python benchmarks/gradients.py --output docs/proof.md
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from kept_rows import machine, put_between_marks

from modeldiff.attribution.gradients import MarginGradients, influences
from modeldiff.dataset import Dataset, Images
from modeldiff.planning import gradient_cost
from modeldiff.study import Study
from modeldiff.study.proof_section import INFLUENCE_KINDS
from modeldiff.training.trained_models import TrainedModels

REPOSITORY = Path(__file__).parents[1]
CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class Size:
    """What is measured. options: of the model; side: of an image, pixels."""

    model: str
    options: tuple[tuple[str, int], ...]
    side: int
    train: int
    targets: int
    planned_only: bool = False


SIZES = (
    Size("convnet", (("width", 8),), 16, 1_000, 1_000),
    Size("convnet", (("width", 8),), 16, 5_000, 1_000),
    Size("convnet", (("width", 8),), 16, 20_000, 2_000),
    Size("convnet", (("width", 32),), 32, 2_000, 500),
    Size("resnet9", (), 32, 200, 50),
    Size("resnet9", (), 32, 50_000, 10_000, planned_only=True),
)


def study_of(size: Size) -> Study:
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    model = {"name": size.model, **dict(size.options)}
    for entry in config["algorithms"].values():
        entry["model"] = model
        entry["preprocess"] = []
    config["proof"] = {"proposers": 1}
    return Study.load(config)


def noise(size: Size) -> Dataset:
    random = np.random.default_rng(0)

    def images(count: int) -> Images:
        pixels = random.integers(0, 256, (count, 3, size.side, size.side), np.uint8)
        return Images(pixels, random.integers(0, len(CLASSES), count))

    nothing = np.arange(0)
    return Dataset(
        images(size.train), images(size.targets), CLASSES, np.arange(size.targets), nothing
    )


def untrained(size: Size, study: Study, data: Dataset) -> TrainedModels:
    shape = data.train.images.shape[1:]
    return TrainedModels.untrained(study.algorithms["plain"], shape, len(CLASSES), "cpu")


def planned(size: Size) -> dict[str, Any]:
    """What `plan` says."""
    study = study_of(size)
    data = noise(size)
    model = untrained(size, study, data)
    cost = gradient_cost.measure(study, model, data, time.process_time)
    of_margins = MarginGradients(model, 0, size.train)
    return {
        "parameters": of_margins.count,
        "projected": of_margins.projection is not None,
        "planned_seconds": cost.seconds,
        "planned_bytes": cost.bytes,
    }


def taken(size: Size) -> dict[str, Any]:
    """What it takes."""
    data = noise(size)
    model = untrained(size, study_of(size), data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    shape = size.targets, size.train
    total = {kind: np.zeros(shape, np.float32) for kind in INFLUENCE_KINDS}
    for part in influences(model, data.train, data.test):
        rows = slice(part.targets.start, part.targets.stop)
        total["influence"][rows] += part.values.numpy()
        total["predictive"][rows] += (part.values * part.wrong).numpy()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "bytes": 1024 * (peak - before)}


def line(size: Size, row: dict[str, Any]) -> str:
    real = "not run"
    held = "not run"
    if "seconds" in row:
        real = f"{row['seconds']:.1f}"
        held = f"{row['bytes'] / 1e6:,.0f}"
    how = "projected" if row["projected"] else "whole"
    return (
        f"| {size.model}, {row['parameters']:,} | {size.train:,} x {size.targets:,} | {how} | "
        f"{row['planned_seconds']:,.1f} | {real} | {row['planned_bytes'] / 1e6:,.0f} | {held} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="where the table goes, between its marks")
    parser.add_argument("--plan", type=int, help="plans one size, as JSON")
    parser.add_argument("--take", type=int, help="measures one size, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for asked, what in ((options.plan, planned), (options.take, taken)):
        if asked is not None:
            print(json.dumps(what(SIZES[asked])))
            return
    lines = [
        "| model, parameters | training images x targets | gradients | seconds, planned | seconds |"
        " MB, planned | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for place, size in enumerate(SIZES):
        row = {}
        for what in ["--plan"] if size.planned_only else ["--plan", "--take"]:
            command = [sys.executable, __file__, what, str(place)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            row |= json.loads(done.stdout)
        lines.append(line(size, row))
        print(lines[-1], flush=True)
    if options.output:
        lines += ["", f"{machine()}, CPU seconds; one model."]
        put_between_marks(options.output, "gradients", lines)


if __name__ == "__main__":
    main()
