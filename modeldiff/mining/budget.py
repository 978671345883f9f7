"""How many images mining shows to models, which is what it costs."""

import math

from modeldiff.mining import edits, heat, learned, search, split
from modeldiff.mining.evidence import STRENGTHS
from modeldiff.mining.feature import KINDS
from modeldiff.study.mining_section import Mine

BACKWARD = 3  # a gradient takes about as long as showing so many images


def to_find(mine: Mine, shape: tuple[int, int, int]) -> int:
    """Images that each finding model is shown for a difference, about; those of gradients count
    `BACKWARD` times.

    shape: of images, channels x height x width.
    """
    attempts = mine.crops + len(edits.edits(shape))
    again = len(KINDS) * search.KEPT  # patches twice, edits, and about as many to choose among
    features = len(learned.SIZES) + len(learned.REACHES)
    steps = features * mine.steps * learned.BATCH * BACKWARD
    windows = (2 / heat.WINDOW) ** 2 + heat.STEPS * BACKWARD
    return round(
        attempts * search.SCREENED + again * mine.images + steps + windows * search.SOURCES
    )


def to_prove() -> int:
    """Images that each proving model is shown for a difference, at most."""
    return math.prod([len(KINDS), len(STRENGTHS), split.PROVING])
