"""Feature transformations: pure functions of images and a strength.

Each takes `images`, float32 [n x channels x height x width] in [0, 1], and `strength` in [0, 1],
and returns new images of the same shape and range; strength 0 changes nothing. A user's own has
the same signature: `function(images, strength, **options) -> images`.
"""

from collections.abc import Callable

import numpy as np

from modeldiff import components
from modeldiff.components import Component
from modeldiff.errors import UserError


def watermark(images: np.ndarray, strength: float, *, size: int = 2) -> np.ndarray:
    """Blend a white square of `size` pixels into the top left corner."""
    marked = images.copy()
    corner = marked[:, :, :size, :size]
    corner += strength * (1 - corner)
    return marked


BUILT_IN: dict[str, Callable[..., np.ndarray]] = {"watermark": watermark}


def apply(part: Component, images: np.ndarray, strength: float) -> np.ndarray:
    """Apply the transformation a config names; UserError if a user's own breaks the contract."""
    changed = components.find(part.name, BUILT_IN)(images, strength, **part.options)
    if changed.shape != images.shape or not np.isfinite(changed).all():
        raise UserError(
            f"transformation {part.name!r}: returned {changed.shape}, or values that are not "
            f"finite; must return finite images of shape {images.shape}"
        )
    return changed
