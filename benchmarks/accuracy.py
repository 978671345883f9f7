"""Accuracy of the full-scale recipes of config/cifar10-fast.yaml, trained on all 50,000 images.

    python benchmarks/accuracy.py                    hours on a CPU
    python benchmarks/accuracy.py --subset           on half of them: the study's own first models
    python benchmarks/accuracy.py --device cuda
    python benchmarks/accuracy.py --recipe airbench --epochs 8 --images FOLDER

A model is the same on any device but for rounding, so that a CPU can tell what a recipe reaches
where there is no GPU. Fewer epochs tell what other encodings of the same images cost. The rows are
those of the table in docs/training.md.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from training import FULL, ROOT, machine, prepared

from modeldiff import subsets
from modeldiff.core import devices
from modeldiff.dataset import Dataset
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.training import Member, engine


def right(study: Study, name: str, data: Dataset, device: str, *, subset: bool) -> np.ndarray:
    """Which test images one model of the recipe `name` gets right: bool [test images]."""
    n = len(data.train.labels)
    member = Member((study.seed, name, "full", 0), np.arange(n))
    if subset:
        (mask,) = subsets.draw(n, [0], study.alpha, study.seed)
        member = Member((study.seed, name, 0), np.flatnonzero(mask))
    (trained,) = engine.train(
        study.algorithms[name],
        data.train,
        len(data.classes),
        [member],
        width=1,
        device=device,
        compiled=device != "cpu",
    )
    predicted = trained.logits(data.test.images).argmax(2)[0].cpu().numpy()
    found: np.ndarray = predicted == data.test.labels
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--recipe", choices=list(parse(FULL)["algorithms"]), action="append")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--subset", action="store_true", help="train on the study's first subset")
    parser.add_argument("--images", default=str(ROOT / "data/cifar10.tar.xz"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    config = parse(FULL)
    for recipe in config["algorithms"].values():
        recipe["epochs"] = options.epochs or recipe["epochs"]
    study = Study.load(config | {"dataset": config["dataset"] | {"path": options.images}})
    device = devices.claim(options.device == "cuda", options.threads)
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(study, Path(folder), beton=False)
        for name in options.recipe or study.algorithms:
            start = time.perf_counter()
            found = right(study, name, data, device, subset=options.subset)
            minutes = (time.perf_counter() - start) / 60
            k, n = int(found.sum()), len(found)
            low, high = binomtest(k, n).proportion_ci(method="wilson")
            print(
                f"| {name}, {study.algorithms[name].epochs} epochs | {k} of {n} "
                f"| {k / n:.2%} [{low:.2%}, {high:.2%}] | {minutes:.0f} |",
                flush=True,
            )
    print(f"One model each, {options.threads} threads. {machine()}")


if __name__ == "__main__":
    main()
