"""The built-in transformations at a few settings each, to be tried before anybody has an idea.

Sizes and positions scale with the images; on 32 pixels they are those of the paper's patches.
"""

from typing import Any, NamedTuple

from modeldiff.study.components import Component


class Setting(NamedTuple):
    """A transformation with its options, at one strength."""

    part: Component
    strength: float


def library(shape: tuple[int, int, int]) -> tuple[Setting, ...]:
    """All settings for images of `shape`, channels x height x width; each is one attempt.

    Coloured patterns and objects are for images of one or three channels; squares for any.
    """
    channels, height, width = shape
    side = min(height, width)
    quarter = max(1, side // 4)
    centre = {"row": (height - quarter) // 2, "column": (width - quarter) // 2}
    at = {"row": height * 4 // 32, "column": width * 13 // 32}  # where the paper's patches are
    colours = [[1.0] * channels, [0.0] * channels]  # white, black
    if channels == 3:  # yellow, red, green, blue
        colours += [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    found: list[tuple[str, dict[str, Any], float]] = [
        ("watermark", {"size": size}, 1.0) for size in (max(1, side // 8), quarter)
    ]
    found += [("colour_square", {"colour": colour} | centre, quarter) for colour in colours]
    for name, rows in (("dog_patch", (4, 6)), ("truck_patch", (5, 9))):
        found += [(name, at, n * max(side, 32) // 32) for n in rows]
    found += [("checkerboard", {"cell": max(1, side // 16)}, s) for s in (0.25, 0.5)]
    if channels in (1, 3):
        found += [(name, {}, s) for name in ("spider_web", "polka_dots") for s in (0.5, 1.0)]
        found += [("paste", {}, n) for n in (1, 3)]
    return tuple(Setting(Component(name, options), float(s)) for name, options, s in found)
