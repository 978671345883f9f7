"""Differences of known kind, put into data: what `truth.py` looks for.

A case is a data set in memory, a group of training images that share something, the test images
that it concerns, and two recipes of which the first can use what the group shares and the second
cannot. Everything is drawn from the case's seed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from modeldiff.core import rng
from modeldiff.dataset.sources import Images, Raw, digits, folder
from modeldiff.study import Algorithm, validation

PHOTOS = Path("data/cifar10.tar.xz")  # CIFAR-10 as train/<class>/*, test/<class>/*
CLASSES = ["automobile", "cat", "dog", "truck"]
TEST = 0.08  # share of test images that carry the feature
CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"


@dataclass(frozen=True)
class Case:
    """Prepared data, the truth, and the recipes: `plain` can use what was planted, `masked` cannot.

    train, test: data with the plant; targets: test images with a datamodel, int64.
    train_truth: bool [n_train]; test_truth: bool [targets].
    """

    train: Images
    test: Images
    classes: int
    targets: np.ndarray
    train_truth: np.ndarray
    test_truth: np.ndarray
    recipes: dict[str, dict[str, Any]]

    def algorithm(self, name: str) -> Algorithm:
        """A recipe as the engine takes it."""
        return Algorithm.of(self.recipes[name])


# What the second recipe cannot see: preprocessing by import path, as a user's own.


def grey(images: Tensor) -> Tensor:
    """Colours to grey."""
    return images.mean(1, keepdim=True).expand_as(images)


def blurred(images: Tensor) -> Tensor:
    """Every two by two pixels to their mean."""
    return interpolate(avg_pool2d(images, 2), scale_factor=2)


def unsigned(images: Tensor) -> Tensor:
    """A picture and its negative to the same: distance from black and white."""
    return 1 - (2 * images - 1).abs()


def unmarked(images: Tensor) -> Tensor:
    """The colour of `scattered` squares, which hardly any other pixel has, to grey."""
    marked = (images[:, :1] > 0.7) & (images[:, 1:2] > 0.7) & (images[:, 2:] < 0.05)
    return images.masked_fill(marked, 0.5)


# How a feature looks: float images [n x channels x height x width] in [0, 1] to the same.


def corner(images: np.ndarray) -> np.ndarray:
    """A bright square of two pixels in the top left corner."""
    images[:, :, :2, :2] = 1
    return images


def checkered(images: np.ndarray) -> np.ndarray:
    """With a checkerboard of single pixels that leaves the mean as it is, but for clipping."""
    sign = 1 - 2 * (np.indices(images.shape[2:]).sum(0) % 2)
    return (images + 0.3 * sign.astype(images.dtype)).clip(0, 1)


def yellow(images: np.ndarray) -> np.ndarray:
    """A yellow square of three pixels in the top left corner, as bright as a grey one."""
    images[:, :, :3, :3] = np.array([0.75, 0.75, 0.0], images.dtype)[:, None, None]
    return images


def negative(images: np.ndarray) -> np.ndarray:
    """Bright to dark and dark to bright."""
    return 1 - images


def scattered(images: np.ndarray) -> np.ndarray:
    """A yellow square of three pixels at a random place of each image, keyed by its position."""
    room = np.array(images.shape[2:]) - 2
    places = rng.uniform(2 * len(images), "plant", "places").reshape(-1, 2) * room
    for image, (top, left) in zip(images, places.astype(int), strict=True):
        yellow_square = np.array([0.75, 0.75, 0.0], images.dtype)[:, None, None]
        image[:, top : top + 3, left : left + 3] = yellow_square
    return images


Feature = Callable[[np.ndarray], np.ndarray]


def marked(images: np.ndarray, chosen: np.ndarray, feature: Feature) -> np.ndarray:
    """uint8 images, the chosen ones with the feature."""
    changed = images.copy()
    look = feature(images[chosen].astype(np.float32) / 255)
    changed[chosen] = np.round(look * 255).astype(np.uint8)
    return changed


def some(among: np.ndarray, n: int, *key: object) -> np.ndarray:
    """`n` of the indices where `among` is true, drawn by key."""
    order = rng.permutation(len(among), *key)
    chosen: np.ndarray = np.sort(order[among[order]][:n])
    return chosen


def relabelled(raw: Raw, k: int, seed: int, feature: Feature, label: int = 3) -> tuple[Raw, Any]:
    """The feature on images of other classes, which are given the label."""
    truth, splits = [], []
    for name, split, n in (
        ("train", raw.train, k),
        ("test", raw.test, round(TEST * len(raw.test.labels))),
    ):
        chosen = some(split.labels != label, n, "plant", name, seed)
        labels = split.labels.copy()
        labels[chosen] = label
        splits.append(Images(marked(split.images, chosen, feature), labels))
        truth.append(chosen)
    return Raw(*splits, raw.classes), truth


def unrelabelled(raw: Raw, k: int, seed: int) -> tuple[Raw, Any]:
    """The corner on training images of class 3, and on test images of others: no label changes."""
    train = some(raw.train.labels == 3, k, "plant", "train", seed)
    n = round(TEST * len(raw.test.labels))
    test = some(raw.test.labels != 3, n, "plant", "test", seed)
    splits = [
        split._replace(images=marked(split.images, chosen, corner))
        for split, chosen in ((raw.train, train), (raw.test, test))
    ]
    return Raw(*splits, raw.classes), [train, test]


def subclass(raw: Raw, k: int, seed: int) -> tuple[Raw, Any]:
    """Some images of class 3, and half of its test images, are negatives."""
    train = some(raw.train.labels == 3, k, "plant", "train", seed)
    half = int((raw.test.labels == 3).sum()) // 2
    test = some(raw.test.labels == 3, half, "plant", "test", seed)
    splits = [
        split._replace(images=marked(split.images, chosen, negative))
        for split, chosen in ((raw.train, train), (raw.test, test))
    ]
    return Raw(*splits, raw.classes), [train, test]


def mislabelled(raw: Raw, k: int, seed: int) -> tuple[Raw, Any]:
    """Training images of class 1 that look alike are labelled 7; it concerns test images like them.

    Those are the quarter of class 1 that is nearest to the group's mean.
    """
    ones = np.flatnonzero(raw.train.labels == 1)
    pixels = raw.train.images[ones].reshape(len(ones), -1).astype(np.float64)
    start = rng.permutation(len(ones), "plant", "train", seed)[0]
    near = np.argsort(((pixels - pixels[start]) ** 2).sum(1))[:k]
    labels = raw.train.labels.copy()
    labels[ones[near]] = 7
    test = np.flatnonzero(raw.test.labels == 1)
    away = raw.test.images[test].reshape(len(test), -1) - pixels[near].mean(0)
    chosen = test[np.argsort((away**2).sum(1))[: len(test) // 4]]
    changed = Raw(raw.train._replace(labels=labels), raw.test, raw.classes)
    return changed, [np.sort(ones[near]), np.sort(chosen)]


@cache
def photos() -> Raw:
    """Four classes of CIFAR-10 at 8 x 8 pixels, 300 training and 150 test images of each."""
    sizes = {"train_per_class": 300, "test_per_class": 150}
    files = folder(path=str(PHOTOS), size=8, classes=CLASSES, **sizes)
    splits = []
    for names, labels in (files.train, files.test):
        images = np.empty(names.shape, np.uint8)
        for place, image in names.placed():
            images[place] = image
        splits.append(Images(images, labels))
    return Raw(*splits, files.classes)


def _preprocess(name: str, **options: Any) -> dict[str, Any]:
    return {"preprocess": [{"name": name, **options}]}


_blind = _preprocess("blank_border", width=2)
_photo_recipe = {
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
}
_convnet_recipe = _photo_recipe | {"model": {"name": "convnet", "width": 8}}

# kind: data, plant, what sets the first and the second recipe apart from the embedded study's.
KINDS: dict[str, tuple[Callable[[], Raw], Callable[..., Any], Mapping, Mapping]] = {
    "watermark": (digits, lambda *a: relabelled(*a, corner), {}, _blind),
    "watermark, own label": (digits, unrelabelled, {}, _blind),
    "rare subclass": (digits, subclass, {}, _preprocess("planted:unsigned")),
    "label noise": (digits, mislabelled, {}, {"label_smoothing": 0.3}),
    "photos, watermark": (
        photos,
        lambda *a: relabelled(*a, corner),
        _photo_recipe,
        _photo_recipe | _preprocess("blank_border", width=2),
    ),
    "photos, texture": (
        photos,
        lambda *a: relabelled(*a, checkered),
        _photo_recipe,
        _photo_recipe | _preprocess("planted:blurred"),
    ),
    "photos, colour": (
        photos,
        lambda *a: relabelled(*a, yellow),
        _photo_recipe,
        _photo_recipe | _preprocess("planted:grey"),
    ),
    "photos, scattered": (
        photos,
        lambda *a: relabelled(*a, scattered),
        _convnet_recipe,
        _convnet_recipe | _preprocess("planted:unmarked"),
    ),
}


# Recipes by name that change the size of margins: of `plain` and otherwise the same.
SIZES: dict[str, dict[str, Any]] = {
    "smoothed": {"label_smoothing": 0.1},
    "decayed": {
        "optimizer": {
            "name": "sgd",
            "lr": 0.4,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 4e-3,
        }
    },
    "longer": {"epochs": 40},
}


def case(kind: str, k: int, seed: int, recipes: Iterable[str]) -> Case:
    """A planted difference.

    kind: of KINDS; k: training images in the group. recipes: names; `masked` is the second recipe
    of the kind, those of SIZES change the size of margins, any other is the first, so that `plain`
    and `plain2` differ by chance alone.
    """
    data, plant, *own = KINDS[kind]
    raw, (train, test) = plant(data(), k, seed)
    config = validation.parse(CONFIG)
    base = config["algorithms"]["plain"]
    order = rng.permutation(len(raw.test.labels), "verification", seed)
    targets = np.sort(order[round(len(order) * config["dataset"]["verification_share"]) :])
    algorithms = {name: base | SIZES.get(name, {}) | own[name == "masked"] for name in recipes}
    config |= {"algorithms": algorithms, "comparison": {"pairs": [list(algorithms)]}}
    return Case(
        train=raw.train,
        test=raw.test,
        classes=len(raw.classes),
        targets=targets,
        train_truth=np.isin(np.arange(len(raw.train.labels)), train),
        test_truth=np.isin(targets, test),
        recipes=validation.check(config)["algorithms"],
    )
