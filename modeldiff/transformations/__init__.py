"""Feature transformations: pure functions of images and a strength.

Each takes `images`, float32 [n x channels x height x width] in [0, 1], and a `strength` >= 0 in a
unit of its own, and returns new images of the same shape and range; strength 0 changes nothing.
What is random is keyed by the image's place among `images`. A user's own has the same signature:
`function(images, strength, **options) -> images`.
"""

from collections.abc import Callable

import numpy as np

from modeldiff import components
from modeldiff.components import Component
from modeldiff.errors import UserError
from modeldiff.transformations.overlays import checkerboard, polka_dots, spider_web
from modeldiff.transformations.paste import paste
from modeldiff.transformations.patches import colour_square, dog_patch, truck_patch, watermark

BUILT_IN: dict[str, Callable[..., np.ndarray]] = {
    "watermark": watermark,
    "dog_patch": dog_patch,
    "truck_patch": truck_patch,
    "colour_square": colour_square,
    "spider_web": spider_web,
    "polka_dots": polka_dots,
    "checkerboard": checkerboard,
    "paste": paste,
}


def apply(part: Component, images: np.ndarray, strength: float) -> np.ndarray:
    """Apply the transformation a config names; UserError if a user's own breaks the contract."""
    changed = components.find(part.name, BUILT_IN)(images, strength, **part.options)
    if changed.shape != images.shape or not np.isfinite(changed).all():
        raise UserError(
            f"transformation {part.name!r}: returned {changed.shape}, or values that are not "
            f"finite; must return finite images of shape {images.shape}"
        )
    return changed
