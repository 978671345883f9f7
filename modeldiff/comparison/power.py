"""What a contrast could have found: the smallest difference that would stand out, and the number
of models that a smaller one needs.

A group of `group` training images that together move the margins of `moved` test images by
`size`, more under A than under B, is one singular value of the difference of datamodels:
size * sqrt(moved / group * (1 - group / n_train)), less what the ridge penalty takes. (The last
factor: all subsets are equally large, so that a shift which all images share is never seen.) The
group usually stands out if its value exceeds the edge of the null. For other numbers of models, the
edge and the penalty's share follow from the eigenvalues of the masks' covariance, which are those
of random matrices (Marchenko & Pastur 1967). Images that can replace one another are not such a
group: the more of them a subset has, the less each moves alone, so that a smaller alpha reveals
what more models do not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from modeldiff.comparison.paired_ridge import Paired

SHARES = 0.01, 0.05  # of the training images in the group, of the test images that it moves


@dataclass(frozen=True)
class Power:
    """What a comparison could have found, for a group of 1% of the training images that moves 5% of
    the test images.

    group, moved: numbers of these images; smallest: the shift of margins that would have stood out;
    typical: mean size of a margin, which a shift has to exceed to turn a prediction; needed: models
    with which a shift of that size stands out, to two digits, as precisely as it is known.
    """

    group: int
    moved: int
    smallest: float
    typical: float
    needed: int

    @property
    def enough(self) -> bool:
        """Whether a group that turns typical predictions would have been seen."""
        return self.smallest <= self.typical


def power(
    edge: float,
    models: int,
    n_train: int,
    n_targets: int,
    penalty: float,
    typical: float,
    planned: int | None = None,
) -> Power:
    """See `Power` and `smallest`; planned: forecast for a comparison of this many models."""
    group = max(1, round(SHARES[0] * n_train))
    moved = max(1, round(SHARES[1] * n_targets))
    sizes = {"group": group, "moved": moved}
    if planned:
        edge = edge_with(planned, edge, models, n_train, penalty)
        models = planned
    return Power(
        **sizes,
        smallest=smallest(edge, models, n_train, penalty, **sizes),
        typical=typical,
        needed=models_for(typical, edge, models, n_train, penalty, **sizes),
    )


def of_models(
    masks: Any,
    a: np.ndarray,
    b: np.ndarray,
    edge: float,
    penalty: float,
    planned: int | None = None,
) -> Power:
    """The power of a comparison by margins; masks, a, b: as for `contrast`; the rest as above."""
    models = Paired.of(masks, a, b)
    typical = float(np.abs([models.mean_a, models.mean_b]).mean())
    used = int(models.used.sum())
    return power(edge, used, models.n_train, models.n_targets, penalty, typical, planned)


def smallest(
    edge: float, models: float, n_train: int, penalty: float, *, group: int, moved: int
) -> float:
    """Smallest shift of margins that stands out, in the margin's unit.

    edge: `Comparison.critical_value` of direction 1, found with `models` models and `penalty`.
    """
    kept, _ = moments(n_train / models, penalty)
    return float(edge / kept * np.sqrt(group / moved / (1 - group / n_train)))


def edge_with(wanted: float, edge: float, models: int, n_train: int, penalty: float) -> float:
    """The edge of the null with `wanted` models, from that found with `models`."""
    _, noise_wanted = moments(n_train / wanted, penalty)
    _, noise = moments(n_train / models, penalty)
    return float(edge * np.sqrt(noise_wanted / wanted / (noise / models)))


def models_for(
    size: float,
    edge: float,
    models: int,
    n_train: int,
    penalty: float,
    *,
    group: int,
    moved: int,
) -> int:
    """Models with which a shift of `size` stands out, two digits; arguments as for `smallest`."""

    def excess(log_models: float) -> float:
        wanted = float(np.exp(log_models))
        at = edge_with(wanted, edge, models, n_train, penalty)
        return smallest(at, wanted, n_train, penalty, group=group, moved=moved) - size

    needed = least = np.log(n_train / 100)
    if excess(least) > 0:
        needed = brentq(excess, least, np.log(1e12), xtol=1e-3)
    return round(float(f"{np.exp(needed):.2g}"))


def moments(ratio: float, penalty: float) -> tuple[float, float]:
    """Means over the eigenvalues e of e / (e + penalty) and e / (e + penalty)^2.

    ratio: training examples per model. What a ridge fit keeps of a weight, and how it scales noise.
    """
    low = (1 - np.sqrt(ratio)) ** 2
    high = (1 + np.sqrt(ratio)) ** 2
    # e = middle - half cos(angle), which takes the roots out of the density.
    middle = (low + high) / 2
    half = (high - low) / 2

    def mean(power: int) -> float:
        def integrand(angle: float) -> float:
            e = middle - half * np.cos(angle)
            density = (half * np.sin(angle)) ** 2 / (2 * np.pi * ratio)
            return float(density / (e + penalty) ** power)

        return float(quad(integrand, 0, np.pi)[0])

    return mean(1), mean(2)
