"""Named attributes of images: what rules about them are made of."""

import numpy as np

from modeldiff import transformations
from modeldiff.baselines.pool import Pool
from modeldiff.dataset import as_float
from modeldiff.transformations.library import library

AT_ONCE = 1 << 24  # values of images that are transformed at a time
MOST_CLASSES = 100  # of which each is an attribute
RANDOM = ("paste",)  # transformations that put another thing on each image


def attributes(pool: Pool) -> tuple[list[str], np.ndarray]:
    """Names, and values, float64 [images x attributes].

    The class; how sure models are of their predictions, the mean over all models, so that it is
    neither recipe's; brightness, contrast, colourfulness and edges; and how far each transformation
    of the library changes the image: least where it is there already. And what else is known.
    """
    images = pool.images.images
    columns: dict[str, np.ndarray] = {}
    if len(pool.classes) <= MOST_CLASSES:
        for label, name in enumerate(pool.classes):
            columns[f"class {name}"] = (pool.images.labels == label).astype(float)
    columns["confidence"] = pool.probabilities.max(2).mean(0, dtype=np.float64)
    measured: dict[str, list[np.ndarray]] = {}
    at_once = max(1, AT_ONCE // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), at_once):
        some = as_float(images[start : start + at_once])
        for name, values in _of_pixels(some).items():
            measured.setdefault(name, []).append(values)
    for name, parts in measured.items():
        columns[name] = np.concatenate(parts)
    columns |= pool.known
    return list(columns), np.stack(list(columns.values()), axis=1)


def _of_pixels(images: np.ndarray) -> dict[str, np.ndarray]:
    """What the pixels say, float64 [images] each; images: float32 in [0, 1]."""
    grey = images.mean(1, dtype=np.float64)
    down, across = np.diff(grey, axis=1), np.diff(grey, axis=2)
    found = {
        "brightness": grey.mean((1, 2)),
        "contrast": grey.std((1, 2)),
        "edges": (np.abs(down).mean((1, 2)) + np.abs(across).mean((1, 2))) / 2,
    }
    if images.shape[1] == 3:
        found["colourfulness"] = _colourfulness(images.astype(np.float64))
    for part, strength in library(images.shape[1:]):
        if part.name not in RANDOM:
            changed = transformations.apply(part, images, strength)
            options = [f"{key} {value}" for key, value in part.options.items()]
            name = ", ".join([part.name, *options, f"strength {strength:g}"])
            moved = np.abs(changed - images).mean((1, 2, 3), dtype=np.float64)
            found[f"change by {name}"] = moved
    return found


def _colourfulness(images: np.ndarray) -> np.ndarray:
    """Of images [images x 3 x H x W], by Hasler & Suesstrunk (2003)."""
    red, green, blue = images.transpose(1, 0, 2, 3)
    first = red - green
    second = (red + green) / 2 - blue
    spread = np.sqrt(first.var((1, 2)) + second.var((1, 2)))
    return spread + 0.3 * np.sqrt(first.mean((1, 2)) ** 2 + second.mean((1, 2)) ** 2)
