"""Feature transformations: pure functions of examples and a strength.

Each takes `images`, float32 [n x channels x height x width] in [0, 1], and a `strength` >= 0 in a
unit of its own, and returns new images of the same shape and range; strength 0 changes nothing.
Those for tables take rows, float32 [n x columns], and those for texts and sequences uint8
[n x length], instead.
Randomness is keyed by the image's position among `images`. A user's own has the same signature:
`function(images, strength, **options) -> images`.
"""

from collections.abc import Callable

import numpy as np

from modeldiff.core.errors import described
from modeldiff.study import components, user_code
from modeldiff.study.components import Component
from modeldiff.study.kinds import IMAGE, of_array
from modeldiff.transformations import edits
from modeldiff.transformations.columns import bin_column, set_column, shift_column
from modeldiff.transformations.overlays import checkerboard, polka_dots, spider_web
from modeldiff.transformations.paste import paste
from modeldiff.transformations.patches import colour_square, dog_patch, truck_patch, watermark
from modeldiff.transformations.phrases import (
    change_case,
    delete_phrase,
    insert_phrase,
    negate,
    replace_phrase,
)
from modeldiff.transformations.symbols import append_symbols, insert_symbols

ROUNDING = 1e-5  # that a result may leave [0, 1] by

PATTERNS: dict[str, Callable[..., np.ndarray]] = {
    "watermark": watermark,
    "dog_patch": dog_patch,
    "truck_patch": truck_patch,
    "colour_square": colour_square,
    "spider_web": spider_web,
    "polka_dots": polka_dots,
    "checkerboard": checkerboard,
    "paste": paste,
}
EDITS: dict[str, Callable[..., np.ndarray]] = {
    "brighten": edits.brighten,
    "darken": edits.darken,
    "contrast": edits.contrast,
    "flatten": edits.flatten,
    "saturate": edits.saturate,
    "grey": edits.grey,
    "blur": edits.blur,
    "sharpen": edits.sharpen,
    "invert": edits.invert,
    "rotate": edits.rotate,
    "enlarge": edits.enlarge,
    "shrink": edits.shrink,
    "mirror": edits.mirror,
    "upend": edits.upend,
    "surroundings": edits.surroundings,
    "middle": edits.middle,
    "tint": edits.tint,
    "band": edits.band,
    "without_band": edits.without_band,
    "texture": edits.texture,
}
OF_TABLES: dict[str, Callable[..., np.ndarray]] = {
    "set_column": set_column,
    "shift_column": shift_column,
    "bin_column": bin_column,
}
OF_IMAGES = PATTERNS | EDITS
OF_TEXTS: dict[str, Callable[..., np.ndarray]] = {
    "insert_phrase": insert_phrase,
    "replace_phrase": replace_phrase,
    "delete_phrase": delete_phrase,
    "change_case": change_case,
    "negate": negate,
}
OF_SEQUENCES: dict[str, Callable[..., np.ndarray]] = {
    "append_symbols": append_symbols,
    "insert_symbols": insert_symbols,
}
BUILT_IN = OF_IMAGES | OF_TABLES | OF_TEXTS | OF_SEQUENCES


def apply(part: Component, images: np.ndarray, strength: float) -> np.ndarray:
    """Apply the transformation a config names, to images or to examples of another kind.

    UserError if the user's own breaks its contract.
    """
    transform = components.find(part.name, BUILT_IN)
    of = f"strength {strength:g}"
    given = images.copy() if user_code.is_own(part.name) else images  # it may write into them
    with user_code.running(part.name, of):
        changed = transform(given, strength, **part.options)
    right = isinstance(changed, np.ndarray) and changed.dtype == images.dtype
    if not right or changed.shape != images.shape:
        within = " in [0, 1]" if of_array(images) is IMAGE else ""
        wanted = f"a numpy array, {described(images)}{within}"
        raise user_code.refused(part.name, of, changed, wanted)
    if of_array(images) is not IMAGE:
        if not np.isfinite(changed).all():
            raise user_code.refused(part.name, of, "returned infinite values or NaN", "finite")
        return changed
    low = float(changed.min(initial=0))
    high = float(changed.max(initial=0))
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # NaN is neither
        came = f"returned values from {low:g} to {high:g}"
        raise user_code.refused(part.name, of, came, "in [0, 1], all finite")
    return changed
