"""Edits of whole images, each at several strengths."""

import numpy as np

from modeldiff.mining.feature import Feature
from modeldiff.study.components import Component
from modeldiff.transformations.library import Setting, library

STRENGTHS = (0.125, 0.25, 0.5, 0.75, 1.0)
PLAIN = (
    "brighten", "darken", "contrast", "flatten", "blur", "sharpen", "invert", "rotate",
    "enlarge", "shrink", "mirror", "upend", "surroundings", "middle",
)  # fmt: skip
OF_COLOURS = ("saturate", "grey")
BANDS = ((0.0, 0.15), (0.15, 0.3), (0.3, 0.45), (0.45, 0.71))  # cycles per pixel
TEXTURES = ("rows", "columns", "board")
COLOURS = (
    [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0],
    [1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0],
)  # fmt: skip


def edits(shape: tuple[int, ...]) -> list[Feature]:
    """Every edit at every strength, and the library's settings, for images of `shape`, channels x
    height x width.
    """
    found = []
    nothing = np.zeros(shape, np.float32)
    for setting in (*_searched(shape[0]), *library((shape[0], shape[1], shape[2]))):
        found.append(Feature("edit", nothing[0], nothing, setting=setting))
    return found


def _searched(channels: int) -> list[Setting]:
    parts = [Component(name, {}) for name in PLAIN]
    for low, high in BANDS:
        limits = {"low": low, "high": high}
        parts += [Component("band", limits), Component("without_band", limits)]
    for pattern in TEXTURES:
        for first in (0, 1):
            parts.append(Component("texture", {"pattern": pattern, "first": first}))
    if channels == 3:
        parts += [Component(name, {}) for name in OF_COLOURS]
        parts += [Component("tint", {"colour": colour}) for colour in COLOURS]
    return [Setting(part, strength) for part in parts for strength in STRENGTHS]
