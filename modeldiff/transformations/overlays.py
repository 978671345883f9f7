"""Patterns blended over the whole image, drawn in code.

Source: the ModelDiff authors' code for the blend, x' = clip(x + strength (P - mu)), P a pattern
and mu ImageNet's mean colour, so that black parts of P darken the image, and for the crops. The
patterns themselves are drawn here; the authors used pictures.
"""

import numpy as np

from modeldiff.core import rng

MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]  # ImageNet's
CANVAS = 256  # pixels a pattern is drawn on, before it is cropped to an image's size


def spider_web(images: np.ndarray, strength: float) -> np.ndarray:
    """A white web on black, another part of it (at least a quarter) on each image."""
    y, x = _grid() - 0.5
    radius = np.hypot(x, y)
    angle = np.arctan2(y, x)
    # Between spokes the threads of a web sag towards its centre.
    spoke = np.abs((angle * 12 / (2 * np.pi) + 0.5) % 1 - 0.5)
    ring = (radius * (1 + 0.25 * (0.5 - spoke)) * 16) % 1
    web = (ring < 0.16) | (spoke * radius < 0.006)
    return _blended(images, strength, np.repeat(web[None].astype(np.float32), 3, 0), 0.25, 1.0)


def polka_dots(images: np.ndarray, strength: float) -> np.ndarray:
    """Yellow dots on black, another part (8% to 50% of the pattern) on each image."""
    y, x = (_grid() * 12) % 1 - 0.5
    dots = (np.hypot(x, y) < 0.3).astype(np.float32)
    return _blended(images, strength, np.stack([dots, dots, 0 * dots]), 0.08, 0.5)


def checkerboard(images: np.ndarray, strength: float, *, cell: int = 2) -> np.ndarray:
    """Blend a black and white checkerboard over the image; strength 1 is the board alone."""
    rows, columns = np.indices(images.shape[2:]) // cell
    board = ((rows + columns) % 2).astype(np.float32)
    return images + np.float32(min(strength, 1)) * (board - images)


def _grid() -> np.ndarray:
    """Coordinates of the canvas, 0 to 1: float [2 x CANVAS x CANVAS]."""
    return (np.indices((CANVAS, CANVAS)) + 0.5) / CANVAS


def _blended(
    images: np.ndarray, strength: float, pattern: np.ndarray, smallest: float, largest: float
) -> np.ndarray:
    """Blend a crop of `smallest` to `largest` of the pattern's area [3 x CANVAS x CANVAS]."""
    n, channels, height, width = images.shape
    area, top, left = rng.uniform(3 * n, "overlay").reshape(n, 3).T
    side = CANVAS * np.sqrt(smallest + (largest - smallest) * area)
    rows = (top * (CANVAS - side))[:, None] + side[:, None] * (np.arange(height) + 0.5) / height
    columns = (left * (CANVAS - side))[:, None] + side[:, None] * (np.arange(width) + 0.5) / width
    over = (pattern - MEAN)[:, rows.astype(int)[:, :, None], columns.astype(int)[:, None]]
    over = over.transpose(1, 0, 2, 3)
    if channels == 1:
        over = over.mean(1, keepdims=True)
    return np.clip(images + np.float32(strength) * over, 0, 1).astype(np.float32)
