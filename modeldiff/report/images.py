"""Images of examples as data URIs: each is embedded once, whatever shows it."""

import base64
import io
import math
from collections.abc import Iterable

import numpy as np
from PIL import Image

from modeldiff.dataset import Images

BUDGET = 9_000_000  # characters of all images: the page stays well under 15 MB
SMALL = 160  # side, pixels
SIDES = (256, 160, 112, 80, 64, 48, 32, 24, 16)


def embed(splits: dict[str, tuple[Images, Iterable[int]]]) -> dict[str, dict[int, str]]:
    """Data URIs of the chosen examples of each split, at the best quality that fits `BUDGET`:
    as they are, then as JPEG of falling size.
    """
    wanted: dict[str, tuple[Images, list[int]]] = {}
    largest = 0
    for name, (images, chosen) in splits.items():
        wanted[name] = (images, sorted({int(i) for i in chosen}))
        largest = max(largest, *images.images.shape[2:])
    sides = [None, *dict.fromkeys(min(side, largest) for side in SIDES)]
    for side in sides[:-1]:
        uris, fit = _encoded(wanted, side, BUDGET)
        if fit:
            return uris
    uris, _ = _encoded(wanted, sides[-1], math.inf)
    return uris


def _encoded(
    wanted: dict[str, tuple[Images, list[int]]], side: int | None, budget: float
) -> tuple[dict[str, dict[int, str]], bool]:
    """Data URIs of this size, and whether they fit the budget; it stops where they do not."""
    uris: dict[str, dict[int, str]] = {name: {} for name in wanted}
    size = 0
    for name, (images, chosen) in wanted.items():
        for i in chosen:
            uris[name][i] = uri(images.images[i], side)
            size += len(uris[name][i])
            if size > budget:
                return uris, False
    return uris, True


def uri(image: np.ndarray, side: int | None = None) -> str:
    """A data URI of one image, uint8 [channels x height x width]."""
    picture = Image.fromarray(pixels(image))
    file = io.BytesIO()
    if side is None:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.thumbnail((side, side))
        picture.save(file, "JPEG", quality=85)
    kind = "png" if side is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def small(image: np.ndarray) -> str:
    """A data URI for an image that is never enlarged."""
    return uri(image, SMALL if max(image.shape[1:]) > SMALL else None)


def pixels(image: np.ndarray) -> np.ndarray:
    """What a person sees of uint8 [channels x height x width]: [height x width (x 3)].

    Three channels are red, green and blue; of any other number the mean is shown in grey.
    """
    return image.transpose(1, 2, 0) if len(image) == 3 else image.mean(0).round().astype(np.uint8)
