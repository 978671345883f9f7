"""What jobs compute on a device, to be compared with what they compute on the CPU.

    python tests/on_device.py cuda

prints the largest difference of each array, in its largest value, as JSON.
"""

import json
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from conftest import EMBEDDED, small

from modeldiff import dataset, verification
from modeldiff.core.errors import UserError
from modeldiff.datamodels import regression
from modeldiff.dataset import Images
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.training import Member, checkpoint, engine, fit, train_full, train_shard
from modeldiff.verification import candidates

ROOT = Path(__file__).parents[1]
NET = {"name": "convnet", "width": 4}
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
AUGMENT = [
    {"name": "colour", "strength": 0.2},
    {"name": "random_resized_crop", "size": 28, "min_scale": 0.3},
    {"name": "flip"},
    {"name": "translate", "pixels": 2},
    {"name": "cutout", "size": 4},
]
PREPROCESS = [
    {"name": "resize", "size": 40},
    {"name": "centre_crop", "size": 32},
    {"name": "blank_border", "width": 2},
    {"name": "normalise", "mean": [0.5, 0.4, 0.3], "sd": [0.2, 0.2, 0.3]},
]
RECIPES = {
    "augmented": {"model": NET, "optimizer": SGD, "augment": AUGMENT, "preprocess": PREPROCESS},
    "averaged": {"model": NET, "optimizer": {"name": "adamw", "lr": 0.01}, "ema": 0.9},
    "resnet9": {"model": {"name": "resnet9"}, "optimizer": SGD, "flip_average": True},
    "airbench": {"model": {"name": "airbench"}, "optimizer": SGD, "augment": [{"name": "flip"}]},
}


def training(where: str, folder: Path, epochs: int = 2) -> dict[str, np.ndarray]:
    """Logits of models trained there, two at once where that can be."""
    config = parse(ROOT / "config/cifar10-fast.yaml")
    short = {"epochs": epochs, "batch": 25}
    config["algorithms"] = {name: recipe | short for name, recipe in RECIPES.items()}
    config["comparison"]["pairs"] = [["resnet9", "airbench"]]
    study, rng = Study.load(config), np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 3, 32, 32), dtype=np.uint8)
    data = Images(images, rng.integers(0, 10, len(images)))
    members = [Member((0, m), np.arange(m, m + 40)) for m in range(2)]
    logits = {}
    for name, recipe in study.algorithms.items():
        groups = engine.train(recipe, data, 10, members, width=2, device=where)
        logits[name] = torch.cat([group.logits(images).cpu() for group in groups]).numpy()
    return logits


def rooms(where: str, folder: Path) -> dict[str, np.ndarray]:
    """What jobs write: a shard that was cut short midway, models on all data, their use."""
    config = small(parse(ROOT / EMBEDDED))
    config["algorithms"]["plain"]["ema"] = 0.9
    config["verification"]["candidates"] = 2
    study = Study.load(config)
    dataset.prepare(study, folder / "manifest.json")
    data = dataset.read(folder / "manifest.json", study.key("dataset"))
    shuffled, checkpoint.MIDWAY = fit.shuffled, 0

    def cut(member: Member, epoch: int) -> np.ndarray:
        if member.identity[-1] == 15 and epoch == 2:
            raise UserError("cut")
        return shuffled(member, epoch)

    fit.shuffled = cut
    with suppress(UserError):
        train_shard(study, "plain", data, range(20), folder / "margins.npy", device=where)
    fit.shuffled = shuffled
    assert list(folder.glob(".margins.npy.*-midway.partial"))
    train_shard(study, "plain", data, range(20), folder / "margins.npy", device=where)
    train_full(study, "plain", data, range(3), folder / "full.npz", device=where)
    for use in candidates.attempt, verification.predict:
        output = folder / f"{use.__name__}.npz"
        use(study, "plain", data, [folder / "full.npz"], output, device=where)
    written = {"margins": np.load(folder / "margins.npy")}
    for name in "full", "attempt", "predict":
        written |= {f"{name}.{k}": v for k, v in np.load(folder / f"{name}.npz").items()}
    return written


def datamodels(where: str, folder: Path) -> dict[str, np.ndarray]:
    """Weights of every estimator."""
    rng = np.random.default_rng(0)
    masks = rng.random((500, 60)) < 0.5
    true = rng.normal(size=(9, 60)) * (rng.random((9, 60)) < 0.1)
    margins = masks @ true.T + rng.normal(size=(500, 9)) * 0.3
    margins[5] = np.nan  # a model that failed
    settings = {name: {"estimator": name} for name in regression.ESTIMATORS}
    settings["folds"] = {"folds": 3}
    return {
        k: regression.fit(masks, margins, **v, device=where).weights for k, v in settings.items()
    }


ROOMS = {"training": training, "rooms": rooms, "datamodels": datamodels}


def differences(
    computed: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> dict[str, float]:
    """The largest difference of each array, relative to the largest value of that expected."""
    assert computed.keys() == expected.keys()
    largest = {}
    for name, values in expected.items():
        difference = np.abs(computed[name] - values).max() / np.abs(values).max()
        largest[name] = float(difference)
    return largest


def main() -> None:
    where = sys.argv[1]
    # In whole float32, so that only the order of sums differs.
    torch.backends.cudnn.allow_tf32 = False
    report = {}
    # Enough epochs that steps are recorded and replayed.
    for name, room in (ROOMS | {"training": partial(training, epochs=5)}).items():
        with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
            report[name] = differences(room(where, Path(there)), room("cpu", Path(here)))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
