"""The data set that a config names: built in or the user's own, checked before it is used."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from modeldiff.core.errors import described
from modeldiff.dataset.raw import Images, LazyImages, Raw, placed
from modeldiff.dataset.sources import BUILT_IN
from modeldiff.study import components, user_code
from modeldiff.study.components import Component

IMAGES = "uint8 [n x channels x height x width]"


def load(part: Component) -> Raw:
    """What the source returns; UserError, one line, if it raises or breaks the contract of `Raw`.

    Images in files are not read yet: see `images`.
    """
    make = components.find(part.name, BUILT_IN)
    with user_code.running(part.name):
        raw = make(**part.options)
    if not isinstance(raw, Raw):
        raise user_code.refused(part.name, "", raw, "modeldiff.dataset.Raw(train, test, classes)")
    _check_classes(part.name, raw.classes)
    for name, split in (("train", raw.train), ("test", raw.test)):
        _check_split(part.name, name, split, len(raw.classes))
    train = tuple(raw.train.images.shape[1:])
    test = tuple(raw.test.images.shape[1:])
    if train != test:
        came = f"training images of {list(train)}, test images of {list(test)}"
        raise user_code.refused(part.name, "", came, "of one size [channels x height x width]")
    return raw


def images(part: Component, split: Images | LazyImages) -> Iterator[tuple[int, np.ndarray]]:
    """Each image, uint8 [channels x height x width], with its place among all, in any order."""
    shape = tuple(split.images.shape[1:])
    with user_code.running(part.name, "reading its images"):
        for place, image in placed(split):
            if image.shape != shape or image.dtype != np.uint8:
                came = f"image {place} is {described(image)}"
                raise user_code.refused(part.name, "", came, f"uint8 {list(shape)} like the others")
            yield place, image


def _check_classes(name: str, classes: Any) -> None:
    words = isinstance(classes, tuple | list) and all(isinstance(c, str) for c in classes)
    if not words or len({*classes}) != len(classes) or len(classes) < 2:
        came = f"classes are {user_code.shortened(repr(classes), 60)}"
        raise user_code.refused(name, "", came, "a tuple of two or more different names")


def _check_split(name: str, which: str, split: Any, classes: int) -> None:
    if not isinstance(split, Images | LazyImages):
        wanted = "modeldiff.dataset.Images(images, labels)"
        raise user_code.refused(name, which, f"is {described(split)}", wanted)
    given = split.images
    labels = split.labels
    if getattr(given, "dtype", None) != np.uint8 or len(given.shape) != 4 or 0 in given.shape:
        raise user_code.refused(name, which, f"images are {described(given)}", IMAGES)
    whole = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim == 1
    if not whole or len(labels) != len(given):
        came = f"labels are {described(labels)}"
        raise user_code.refused(name, which, came, f"a numpy array, int64 [{len(given)}]")
    if labels.min() < 0 or labels.max() >= classes:
        came = f"labels are {labels.min()} to {labels.max()}"
        raise user_code.refused(name, which, came, f"0 to {classes - 1}, one for each class")
