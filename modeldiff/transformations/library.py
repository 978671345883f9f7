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
    settings: list[Setting] = []

    def add(name: str, options: dict[str, Any], *strengths: float) -> None:
        for strength in strengths:
            settings.append(Setting(Component(name, options), float(strength)))

    add("watermark", {"size": max(1, side // 8)}, 1)
    add("watermark", {"size": quarter}, 1)
    for colour in colours:
        add("colour_square", {"colour": colour} | centre, quarter)
    pixel = max(side, 32)  # 32 times the side of one of the paper's pixels
    add("dog_patch", at, 4 * pixel // 32, 6 * pixel // 32)
    add("truck_patch", at, 5 * pixel // 32, 9 * pixel // 32)
    add("checkerboard", {"cell": max(1, side // 16)}, 0.25, 0.5)
    if channels in (1, 3):
        add("spider_web", {}, 0.5, 1)
        add("polka_dots", {}, 0.5, 1)
        add("paste", {}, 1, 3)
    return tuple(settings)
