"""What mining found in a study, as one picture and a table; beside it the study's own features.

The study's transformations are shown to the models that proved what was mined, on as many images,
so that what a person guessed and what was found stand on one scale.

    python benchmarks/mining_study.py config/cifar10-pretraining.yaml docs/mining-cifar10.png
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from modeldiff import dataset
from modeldiff.dataset import Dataset, as_float
from modeldiff.mining import evidence
from modeldiff.mining.feature import Feature
from modeldiff.mining.split import split
from modeldiff.report import mined
from modeldiff.report.images import pixels
from modeldiff.report.mined import Mined
from modeldiff.study import Study, stages
from modeldiff.training.shard import load_full
from modeldiff.transformations.library import Setting

SIDE, GAP, BETWEEN, TITLE = 48, 2, 10, 16  # pixels of the picture


def drawn(one: Mined) -> list[list[np.ndarray]]:
    """Strips of images: training images, their heat, test images, and these with each feature."""
    hottest = max(float(one.direction.heats.max()), 1e-9)
    heats = [
        mined.heated(image, heat / hottest)
        for image, heat in zip(one.sources, one.direction.heats, strict=True)
    ]
    strips = [list(one.sources), heats, list(one.samples)]
    for each in one.direction.features:
        changed = np.clip(each.feature.on(as_float(one.samples)), 0, 1)
        strips.append(list(np.round(changed * 255).astype(np.uint8)))
    return strips


def picture(found: list[Mined]) -> Image.Image:
    """A row for each difference."""
    rows = [drawn(one) for one in found]
    of_strip = 4 * (SIDE + GAP) + BETWEEN
    canvas = Image.new("RGB", (len(rows[0]) * of_strip, len(rows) * (SIDE + TITLE)), "white")
    pen = ImageDraw.Draw(canvas)
    for number, (one, strips) in enumerate(zip(found, rows, strict=True)):
        top = number * (SIDE + TITLE)
        pen.text((2, top + 2), f"{one.direction.mover}, {one.direction.label}", "black")
        for place, strip in enumerate(strips):
            for k, image in enumerate(strip):
                shown = Image.fromarray(pixels(image)).convert("RGB").resize((SIDE, SIDE), 0)
                canvas.paste(shown, (place * of_strip + k * (SIDE + GAP), top + TITLE))
    return canvas


def table(found: list[Mined]) -> Iterator[str]:
    """What was found, in Markdown."""
    yield "| difference | feature | on the mover | on the other | difference | without its images |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        of = one.direction
        for each in of.features:
            row = each.row
            left_out = "not found"
            if each.found:
                removed = one.removal(each, of.mover)
                sure = "sure" if removed["low"] > 0 else "not sure"
                fall = f"{removed['random_effect']:.2f} to {removed['group_effect']:.2f}"
                left_out = f"{fall}, {sure}"
            interval = f"[{row['low']:+.2f}, {row['high']:+.2f}]"
            yield (
                f"| {of.number}: {of.mover}, {of.label} | {mined.described(each)} | "
                f"{row['mover_effect']:+.2f} | {row['other_effect']:+.2f} | "
                f"{row['difference']:+.2f} {interval} | {left_out} |"
            )


def guesses(study: Study, data: Dataset, folder: Path) -> Iterator[str]:
    """The study's own features on the same scale: 95% intervals of each alone."""
    a, b = study.pairs[0]
    nothing = np.zeros(data.train.images.shape[1:], np.float32)
    yield f"| feature | class | strength | on {a} | on {b} | difference |"
    yield "|---|---|---|---|---|---|"
    for name, transformation in study.transformations.items():
        label = data.classes.index(transformation.target)
        images = split(
            data.targets, data.verification, data.test.labels, label, 0, study.seed, name
        )
        shown = as_float(data.test.images[images.prove])
        features = []
        for strength in transformation.strengths:
            setting = Setting(transformation.part, strength)
            features.append(Feature("edit", nothing[0], nothing, setting=setting))
        moved = []
        for algorithm in (a, b):
            every = stages.path("checkpoints", algorithm, "*", "*")
            paths = sorted(folder.glob(every))
            proving = load_full(study, algorithm, data, paths, device="cpu", skip=study.mine.models)
            moved.append(evidence.measure(proving, features, shown, label))
        for place, strength in enumerate(transformation.strengths):
            last = len(evidence.STRENGTHS) - 1
            said = evidence.evidence(moved[0], moved[1], place, last, evidence.LEVEL)
            interval = f"[{said.difference.low:+.2f}, {said.difference.high:+.2f}]"
            yield (
                f"| {name} | {transformation.target} | {strength:g} | {said.mover.value:+.2f} | "
                f"{said.other.value:+.2f} | {said.difference.value:+.2f} {interval} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("output", type=Path, help="where the picture goes (PNG)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = Study.read(options.config)
    folder = Path(study.folder)
    data = dataset.read(folder / stages.path("dataset"), study.key("dataset"))
    found = list(mined.read(study, folder, data, *study.pairs[0]))
    picture(found).save(options.output, optimize=True)
    print("\n".join([*table(found), "", *guesses(study, data, folder)]))


if __name__ == "__main__":
    main()
