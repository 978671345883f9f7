"""Sizes that a config is checked against before anything is loaded: of data sets and subsets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

FEWEST = 20  # models to fit datamodels on
FEWEST_COMPARED = 40  # models of both algorithms that a contrast is taken of

# BREEDS Living17: four ImageNet classes of each superclass. Made by the published procedure from
# the published hierarchy (MadryLab/BREEDS-Benchmarks, modified hierarchy, level 5 below n00004258,
# four classes each, seed 2); without a split and with a random one it is the same 68 classes.
LIVING17 = {
    "salamander": "n01630670 n01631663 n01632458 n01632777",
    "turtle": "n01664065 n01665541 n01667114 n01669191",
    "lizard": "n01675722 n01685808 n01689811 n01694178",
    "snake": "n01735189 n01740131 n01742172 n01751748",
    "spider": "n01773157 n01773797 n01774750 n01775062",
    "grouse": "n01795545 n01796340 n01797886 n01798484",
    "parrot": "n01817953 n01818515 n01819313 n01820546",
    "crab": "n01978287 n01978455 n01980166 n01981276",
    "dog": "n02086079 n02086910 n02088466 n02111500",
    "wolf": "n02114367 n02114548 n02114712 n02114855",
    "fox": "n02119022 n02119789 n02120079 n02120505",
    "domestic cat": "n02123159 n02123394 n02123597 n02124075",
    "bear": "n02132136 n02133161 n02134084 n02134418",
    "beetle": "n02167151 n02168699 n02172182 n02174001",
    "butterfly": "n02276258 n02277742 n02280649 n02281406",
    "ape": "n02480495 n02480855 n02481823 n02483362",
    "monkey": "n02490219 n02492660 n02493509 n02493793",
}
# Images of one ImageNet class (ILSVRC 2012): 732 to 1,300 to train on, 50 to validate on.
IMAGENET = {"train": range(732, 1301), "val": range(50, 51)}

WATERBIRDS = ("landbird", "waterbird")
GROUPS = {  # images by (label, place)
    "train": {(0, 0): 3498, (0, 1): 184, (1, 0): 56, (1, 1): 1057},
    "test": {(0, 0): 2255, (0, 1): 2255, (1, 0): 642, (1, 1): 642},
}


class DataSizes(NamedTuple):
    """Training and test images of a data set, and its classes."""

    n_train: int
    n_test: int
    classes: tuple[str, ...]


def test_rows(n: int, share: float) -> int:
    """How many of the rows of a table are for tests."""
    return round(n * share)


class SklearnTable(NamedTuple):
    """Rows and classes of a table of scikit-learn's."""

    rows: int
    classes: tuple[str, ...]


SKLEARN = {
    "breast_cancer": SklearnTable(569, ("malignant", "benign")),
    "iris": SklearnTable(150, ("setosa", "versicolor", "virginica")),
    "wine": SklearnTable(178, ("class_0", "class_1", "class_2")),
}

CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"


def known_sizes(name: str, options: Mapping[str, Any]) -> DataSizes | None:
    """Sizes and classes of a source where they are known without its images, else None."""
    if name == "digits":
        return DataSizes(1200, 597, tuple("0123456789"))
    if name == "cifar10":
        return DataSizes(50_000, 10_000, tuple(CIFAR10.split()))
    if name == "sklearn":
        table = SKLEARN[options["table"]]
        n_test = test_rows(table.rows, options["test_share"])
        return DataSizes(table.rows - n_test, n_test, table.classes)
    if name == "tomita":
        return DataSizes(options["train"], options["test"], ("no", "yes"))
    if name == "waterbirds" and options["complete"]:
        train = sum(GROUPS["train"].values())
        test = sum(GROUPS["test"].values())
        return DataSizes(train, test, WATERBIRDS)
    per, times, classes = "class", 1, options.get("classes")
    if name == "living17":
        per, times, classes = "subclass", 4, LIVING17
    most = [options.get(f"{split}_per_{per}") or 0 for split in ("train", "test")]
    if classes and all(most):
        n = len(classes) * times
        return DataSizes(n * most[0], n * most[1], tuple(classes))
    return None


def image_bytes(name: str, options: Mapping[str, Any]) -> int:
    """Bytes of the prepared training images, about; 0 where it is not known without them."""
    sizes = known_sizes(name, options)
    if name == "living17" and sizes is None:
        n = len(LIVING17) * 4 * (options["train_per_subclass"] or IMAGENET["train"][-1])
    else:
        n = sizes.n_train if sizes else 0
    return n * 3 * int(options.get("size") or 32) ** 2


def subset_size(n_examples: int, alpha: float) -> int:
    """Examples in each subset: floor(alpha * n), with alpha * n rounded off float noise first."""
    return int(np.floor(round(alpha * n_examples, 9)))
