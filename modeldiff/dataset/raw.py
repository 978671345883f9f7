"""What a source of examples returns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from modeldiff.dataset.pictures import Pictures
from modeldiff.study.kinds import IMAGE


class Images(NamedTuple):
    """Labelled examples: images, or of another kind.

    images: uint8 [n x channels x height x width]; rows of a table: float32 [n x columns]; texts:
    uint8 [n x length], the bytes of their UTF-8, padded with zeros; sequences: uint8 [n x length],
    symbol i of the alphabet as i + 1, padded with zeros.
    labels: int64 [n]; beton: the same images in a file of FFCV's, where a study trains from one.
    """

    images: np.ndarray
    labels: np.ndarray
    beton: Path | None = None


class LazyImages(NamedTuple):
    """Labelled images that are still in their files; labels: int64 [n]."""

    images: Pictures
    labels: np.ndarray


@dataclass(frozen=True)
class Raw:
    """What a source returns.

    kind: `image`, `table`, `text` or `sequence`: what `images` of both splits hold. columns: the
    names of a table's columns; of others none. alphabet: the symbols of sequences, in their order;
    of others none.
    """

    train: Images | LazyImages
    test: Images | LazyImages
    classes: tuple[str, ...]
    kind: str = IMAGE.name
    columns: tuple[str, ...] = ()
    alphabet: tuple[str, ...] = ()


def placed(split: Images | LazyImages) -> Iterator[tuple[int, np.ndarray]]:
    """Each example with its place among all, in any order."""
    return split.images.placed() if isinstance(split, LazyImages) else enumerate(split.images)
