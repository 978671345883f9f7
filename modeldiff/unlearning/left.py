"""How much of a group's weight is left in models that were to forget it.

Three kinds of models, trained on all images: `before`, which learned the group; `never`, retrained
without it; and `after`, which learned it and were to forget it. The group's effect is how the mean
margins of `before` differ from those of `never`. Half of the models of these two find its
direction; along it, the other half and `after` say what is left:

    left = (mean of after - mean of never) / (mean of before - mean of never)

1 where nothing was forgotten, 0 as if the group had never been seen, below 0 where more was undone
than the group had done. The models that say it had no part in finding the direction.

Margins are relative, as those of proofs: each model's are divided by their root mean square, so
that longer training, which only makes margins larger, is not mistaken for weight of the group. What
a method does to predictions beside the group's effect is not part of the share.
"""

from dataclasses import dataclass

import numpy as np

from modeldiff.core import student
from modeldiff.proof.effect import difference_of_means

LEVEL = 0.05


@dataclass(frozen=True)
class Left:
    """The share of a group's weight that is left, with its 95% interval (Fieller's).

    NaN where the group has no effect that is surely more than none, or too few models are finite.
    p_value: two-sided, of no difference from models that never saw the group, along its effect.
    """

    value: float
    low: float
    high: float
    p_value: float


def left(before: np.ndarray, never: np.ndarray, after: np.ndarray) -> Left:
    """What is left of a group, from margins [models x targets]; of each kind 4 models or more.

    Models with margins that are not finite are left out.
    """
    first = _relative(before)
    second = _relative(never)
    third = _relative(after)
    half = len(first) // 2, len(second) // 2
    unknown = Left(value=np.nan, low=np.nan, high=np.nan, p_value=np.nan)
    if min(*half, len(third)) < 2:
        return unknown
    direction = first[: half[0]].mean(0) - second[: half[1]].mean(0)
    length = np.linalg.norm(direction)
    if length == 0:
        return unknown
    along = direction / length
    learned = first[half[0] :] @ along
    unseen = second[half[1] :] @ along
    forgot = third @ along
    _, p_value = difference_of_means([(forgot, 1), (unseen, -1)])
    value, low, high = ratio(forgot, learned, unseen)
    return Left(value=value, low=low, high=high, p_value=p_value)


def _relative(margins: np.ndarray) -> np.ndarray:
    """Finite rows, float64, each divided by its root mean square."""
    finite = margins[np.isfinite(margins).all(1)].astype(np.float64)
    return finite / np.sqrt((finite**2).mean(1, keepdims=True))


def ratio(
    forgot: np.ndarray, learned: np.ndarray, unseen: np.ndarray, level: float = LEVEL
) -> tuple[float, float, float]:
    """(mean forgot - mean unseen) / (mean learned - mean unseen), with Fieller's interval.

    The interval holds all shares s for which the contrast forgot - s learned - (1 - s) unseen is
    not surely other than 0; spreads may differ, degrees of freedom are Welch and Satterthwaite's
    at the share found. All three are NaN where the denominator is not surely other than 0: no
    interval is bounded then.
    """
    groups = (forgot, learned, unseen)
    means = [group.mean() for group in groups]
    errors = np.array([group.var(ddof=1) / len(group) for group in groups])
    freedom = np.array([len(group) - 1 for group in groups])
    numerator = means[0] - means[2]
    denominator = means[1] - means[2]
    if denominator == 0:
        return np.nan, np.nan, np.nan
    value = numerator / denominator
    weights = np.array([1, value, 1 - value]) ** 2
    if not errors.any():
        return value, value, value
    pooled = (weights * errors).sum() ** 2 / ((weights * errors) ** 2 / freedom).sum()
    reach = student.isf(level / 2, pooled) ** 2
    # (numerator - s denominator)^2 <= reach (errors[0] + s^2 errors[1] + (1 - s)^2 errors[2])
    a = denominator**2 - reach * (errors[1] + errors[2])
    b = -2 * (numerator * denominator - reach * errors[2])
    c = numerator**2 - reach * (errors[0] + errors[2])
    inside = b**2 - 4 * a * c
    if a <= 0 or inside < 0:
        return np.nan, np.nan, np.nan
    root = np.sqrt(inside)
    return float(value), float((-b - root) / (2 * a)), float((-b + root) / (2 * a))
