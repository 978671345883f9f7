"""Patches pasted at one place. Source of the dog and truck patches: the ModelDiff authors' code."""

from collections.abc import Sequence

import numpy as np

from modeldiff.core.errors import UserError


def watermark(images: np.ndarray, strength: float, *, size: int = 2) -> np.ndarray:
    """Blend a white square of `size` pixels into the top left corner; strength 1 is all white."""
    marked = images.copy()
    corner = marked[:, :, :size, :size]
    corner += np.float32(min(strength, 1)) * (1 - corner)
    return marked


def dog_patch(images: np.ndarray, strength: float, *, row: int = 4, column: int = 13) -> np.ndarray:
    """White, `strength` rows of 4 pixels; the middle two of the last three rows are black."""
    patch = np.ones((int(strength), 4), np.float32)
    patch[-3:, 1:3] = 0
    return _pasted(images, patch, row, column)


def truck_patch(
    images: np.ndarray, strength: float, *, row: int = 4, column: int = 13
) -> np.ndarray:
    """Black, `strength` rows of 5 pixels; first and last row and every other column are white."""
    patch = np.zeros((int(strength), 5), np.float32)
    patch[:1] = patch[-1:] = 1
    patch[:, ::2] = 1
    return _pasted(images, patch, row, column)


def colour_square(
    images: np.ndarray,
    strength: float,
    *,
    colour: Sequence[float] = (1, 1, 0),
    row: int = 30,
    column: int = 100,
) -> np.ndarray:
    """A square of one colour (yellow unless told otherwise), `strength` pixels wide."""
    side = int(strength)
    changed = images.copy()
    value = np.array(colour, np.float32)[:, None, None]
    if len(value) != images.shape[1]:
        raise UserError(f"colour_square: colour has {len(value)} values; images {images.shape[1]}")
    _check_inside(images, row, column, "colour_square")
    changed[:, :, row : row + side, column : column + side] = value
    return changed


def _pasted(images: np.ndarray, patch: np.ndarray, row: int, column: int) -> np.ndarray:
    """A patch [height x width] in every channel; what reaches over the edge is cut off."""
    _check_inside(images, row, column, "patch")
    changed = images.copy()
    place = changed[:, :, row : row + patch.shape[0], column : column + patch.shape[1]]
    place[:] = patch[: place.shape[2], : place.shape[3]]
    return changed


def _check_inside(images: np.ndarray, row: int, column: int, name: str) -> None:
    height, width = images.shape[2:]
    if row >= height or column >= width:
        raise UserError(f"{name}: row {row}, column {column} is outside {height} x {width} pixels")
