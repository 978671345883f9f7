"""The config of a study that proves what gradients of given checkpoints propose, or does not."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from modeldiff.core import artifacts
from modeldiff.study.section import LABEL

if TYPE_CHECKING:
    from modeldiff.report.checkpoint_page import Checkpoints, Proposed

CONFIG = "prove.yaml"
TRAIN_SHARE = 0.01  # of the training images, in a group
FEWEST = 5  # images of a group, at least
TEST = 20  # test images of a group
HEAD = """\
# What `compare_checkpoints` proposed, put to the proof: run `modeldiff run {path}` in the folder
# of `mine.py`. It trains new models of both recipes on sets of images chosen for each proposal.
# `mine.py` holds data() and, for each recipe, model(shape, classes) and train(module, images,
# labels, seed): see docs/checkpoints.md. The images must be the same, in the same order.
"""


def write_proof(
    found: "Checkpoints", influence_a: np.ndarray, influence_b: np.ndarray, folder: Path
) -> Path:
    """Write config, groups and influences into a folder; returns the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, influence in (("a", influence_a), ("b", influence_b)):
        with artifacts.atomic_write(folder / _scores(side)) as file:
            np.save(file, influence, allow_pickle=False)
    for number, one in enumerate(found.proposed, 1):
        with artifacts.atomic_write(folder / _group(number)) as file:
            _members(found, one).to_csv(file, index=False)
    path = folder / CONFIG
    with artifacts.atomic_write(path) as file:
        file.write(text(found, folder).encode())
    return path


def text(found: "Checkpoints", folder: Path | None = None) -> str:
    """The config as YAML; folder: where its files lie."""
    place = folder or Path("proof")
    algorithms = {}
    for side, name in zip("ab", recipe_names(found), strict=True):
        algorithms[name] = {
            "scores": {"path": str(place / _scores(side))},
            "model": {"name": f"mine:model_{side}"},
            "train": {"name": f"mine:train_{side}"},
        }
    groups = {}
    for number in range(1, len(found.proposed) + 1):
        groups[f"proposal-{number}"] = str(place / _group(number))
    config = {
        "study": "proof",
        "dataset": {"name": "mine:data"},
        "algorithms": algorithms,
        "comparison": {"pairs": [list(algorithms)], "method": "residual"},
        "proof": {"groups": groups},
    }
    return HEAD.format(path=place / CONFIG) + yaml.safe_dump(config, sort_keys=False)


def recipe_names(found: "Checkpoints") -> tuple[str, str]:
    """The recipes' names where a config can have them, for they become names of files."""
    names = (found.a, found.b)
    if all(re.search(LABEL, name) for name in names):
        return names
    return ("A", "B")


def _scores(side: str) -> str:
    return f"influence-{side}.npy"


def _group(number: int) -> str:
    return f"proposal-{number}.csv"


def _members(found: "Checkpoints", one: "Proposed") -> pd.DataFrame:
    """The images that a proposal weighs most; at most half of the training images of a class."""
    labels = found.data.train.labels
    wanted = max(FEWEST, round(TRAIN_SHARE * len(labels)))
    left = Counter({label: n // 2 for label, n in Counter(labels.tolist()).items()})
    train: list[int] = []
    for example in one.strongest_train(len(labels)).tolist():
        if len(train) < wanted and left[labels[example]] > 0:
            left[labels[example]] -= 1
            train.append(example)
    test = one.strongest_test(TEST).tolist()
    split = ["train"] * len(train) + ["test"] * len(test)
    return pd.DataFrame({"split": split, "example": train + test})
