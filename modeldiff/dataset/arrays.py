"""A data set of arrays that the caller already has, checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modeldiff.core import arguments
from modeldiff.core.errors import UserError, described
from modeldiff.dataset.prepared import Dataset
from modeldiff.dataset.raw import Images

Split = tuple[Any, Any]  # images and labels


def of_arrays(train: Split, test: Split, classes: Sequence[str] | None = None) -> Dataset:
    """A data set whose test images are all targets.

    train, test: (images, labels), arrays of numpy or tensors. images: uint8, or floats
    from 0 to 1 (kept in 256 steps), [n x height x width] or [n x channels x height x width].
    labels: whole numbers [n]. classes: their names; None: the numbers themselves.
    Raises UserError, one line that says what came and what would be right.
    """
    splits = []
    for name, split in (("train", train), ("test", test)):
        if not isinstance(split, tuple | list) or len(split) != 2:
            raise UserError(f"{name}: is {described(split)}; must be a pair, (images, labels)")
        images = images_of(f"{name} images", split[0])
        labels = labels_of(f"{name} labels", split[1], len(images))
        splits.append(Images(images, labels))
    if splits[0].images.shape[1:] != splits[1].images.shape[1:]:
        sizes = f"{list(splits[0].images.shape[1:])} and {list(splits[1].images.shape[1:])}"
        raise UserError(f"train images and test images: are of {sizes}; must be of one size")
    most = int(max(splits[0].labels.max(), splits[1].labels.max()))
    return Dataset(
        train=splits[0],
        test=splits[1],
        classes=_names(classes, most),
        targets=np.arange(len(splits[1].labels)),
        verification=np.zeros(0, np.int64),
    )


def images_of(name: str, given: Any) -> np.ndarray:
    """Images as uint8 [n x channels x height x width]; name: what an error calls them."""
    images = arguments.array(name, given)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        wanted = "[n x height x width] or [n x channels x height x width]"
        raise UserError(f"{name}: are {described(given)}; must be {wanted}")
    if images.shape[3] <= 4 < images.shape[1]:
        came = f"{name}: are {list(images.shape)}, which looks like channels last"
        raise UserError(f"{came}; must be channels first: images.transpose(0, 3, 1, 2)")
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    floats = images.dtype.kind == "f"
    if not floats or not (images.min() >= 0 and images.max() <= 1):
        came = described(given)
        if floats:
            came += f" from {images.min():.3g} to {images.max():.3g}"
        raise UserError(f"{name}: are {came}; must be uint8, or floats from 0 to 1")
    return np.round(images * 255).astype(np.uint8)


def labels_of(name: str, given: Any, n: int) -> np.ndarray:
    """Labels of `n` images as int64 [n]."""
    labels = arguments.array(name, given)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or labels.min() < 0:
        wanted = f"whole numbers from 0, [{n}] like the images"
        raise UserError(f"{name}: are {described(given)}; must be {wanted}")
    return labels.astype(np.int64)


def _names(classes: Sequence[str] | None, most: int) -> tuple[str, ...]:
    """The classes' names."""
    if classes is None:
        return tuple(map(str, range(most + 1)))
    names = tuple(map(str, classes))
    if isinstance(classes, str) or len({*names}) != len(names) or len(names) <= most:
        came = f"classes: are {described(classes)}"
        raise UserError(f"{came}; must be {most + 1} different names or more, for labels to {most}")
    return names
