"""Squares cut out of a direction's training images, to be put on other images."""

from collections.abc import Sequence

import numpy as np

from modeldiff.core import rng
from modeldiff.mining.feature import Feature

SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2)  # sides, of an image's shorter side
SMALLEST = 2  # side, pixels


def crops(
    sources: np.ndarray, numbers: Sequence[int], most: int, *identity: rng.Key
) -> list[Feature]:
    """Squares of several sizes on a grid, of each source: all, or a random `most` of them.

    sources: float32 [n x channels x height x width]; numbers: which training images they are.
    identity: of the randomness, as for `core.rng`.
    """
    height, width = sources.shape[2:]
    found = []
    for side in sides(height, width):
        for top in places(height, side):
            for left in places(width, side):
                mask = np.zeros((height, width), np.float32)
                mask[top : top + side, left : left + side] = 1
                for picture, number in zip(sources, numbers, strict=True):
                    found.append(Feature("patch", mask, picture, source=int(number)))
    chosen = np.sort(rng.permutation(len(found), *identity)[:most])
    return [found[i] for i in chosen]


def sides(height: int, width: int) -> list[int]:
    """Sides of the squares, pixels."""
    shorter = min(height, width)
    return sorted({min(shorter, max(SMALLEST, round(share * shorter))) for share in SHARES})


def places(length: int, side: int) -> list[int]:
    """Where squares start: half a side apart, from the first place to the last."""
    last = length - side
    return sorted({*range(0, last + 1, max(1, side // 2)), last})
