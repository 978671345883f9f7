"""Groups of training images that a config names: what an algorithm forgets, or never sees."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from modeldiff.core.errors import UserError
from modeldiff.dataset.prepared import Dataset
from modeldiff.study.section import OF_CLASS, PLANTED


def members(data: Dataset, group: str) -> np.ndarray:
    """Which training examples belong to a group: bool [n_train].

    group: as a config says it: `planted`, `class:NAME` or the path of a CSV file, see `listed`.
    Raises UserError if there are none, or if all do.
    """
    labels = data.train.labels
    chosen = np.zeros(len(labels), bool)
    if group == PLANTED:
        chosen[data.planted] = True
    elif group.startswith(OF_CLASS):
        chosen = labels == data.classes.index(group.removeprefix(OF_CLASS))
    else:
        chosen[listed(group, {"train": len(labels)})["train"]] = True
    if not chosen.any() or chosen.all():
        many = "all" if chosen.any() else "none"
        raise UserError(f"{group}: {many} of the training images; must be some of them")
    return chosen


def of_targets_and_examples(
    named: Mapping[str, str | Path], n_train: int, n_test: int, targets: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Which targets and which training examples belong to each group: bool [n_targets], [n_train].

    named: the groups' files, see `listed`. targets: int64 [n_targets], their test examples.
    """
    found = {}
    for name, path in named.items():
        images = listed(path, {"train": n_train, "test": n_test})
        examples = np.zeros(n_train, bool)
        examples[images["train"]] = True
        found[name] = np.isin(targets, images["test"]), examples
    return found


def listed(path: str | Path, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The images that a group's file names, of each split: int64, rising.

    path: .csv of `split` (train or test) and `example` (its number, from 0), a row per image.
    sizes: images of each split that must be named.
    Raises UserError if the file is something else, or names no image of one of these splits.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # which all of pandas's are
        raise UserError(
            f"{path}: cannot be read as a CSV file: {' '.join(str(error).split())}"
        ) from None
    if not {"split", "example"} <= set(table.columns):
        raise UserError(f"{path}: must have the columns split and example")
    found = {}
    for split, most in sizes.items():
        numbers = table.example[table.split == split]
        if not len(numbers):
            raise UserError(f"{path}: names no {split} image")
        whole = pd.api.types.is_integer_dtype(numbers)
        if not whole or numbers.min() < 0 or numbers.max() >= most:
            raise UserError(f"{path}: example of {split} must be a whole number, 0 to {most - 1}")
        found[split] = np.unique(numbers)
    if not table.split.isin(["train", "test"]).all():
        raise UserError(f"{path}: split must be train or test")
    return found
