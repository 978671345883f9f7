"""What a contrast could have found: the smallest difference that stands out, and how many models
a smaller one needs.

A group of `group` training images that together move the margins of `moved` test images by
`size`, more under A than under B, is one singular value of the difference of datamodels:
size * sqrt(moved / group), less what the ridge penalty takes. It is seen (nearly always) where
that exceeds the edge of the null. Between numbers of models, the edge and the penalty's share
follow from the eigenvalues of the masks' covariance, which are those of random matrices
(Marchenko & Pastur 1967). Images that stand in for one another are no such group: each alone moves
less the more of them are in a subset, so that a smaller alpha sees what more models do not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

SHARES = 0.01, 0.05  # of the training images in the group, of the test images that it moves


@dataclass(frozen=True)
class Power:
    """What a comparison could have found, for a group of 1% of the training images that moves 5% of
    the test images.

    group, moved: images of both; smallest: the shift of margins that would have stood out;
    typical: mean size of a margin, which a shift has to exceed to turn a prediction; needed: models
    with which a shift of that size stands out.
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
    edge: float, models: int, n_train: int, n_targets: int, penalty: float, typical: float
) -> Power:
    """See `Power` and `smallest`."""
    counts = zip(SHARES, (n_train, n_targets), strict=True)
    group, moved = (max(1, round(share * n)) for share, n in counts)
    sizes = {"group": group, "moved": moved}
    return Power(
        **sizes,
        smallest=smallest(edge, models, n_train, penalty, **sizes),
        typical=typical,
        needed=models_for(typical, edge, models, n_train, penalty, **sizes),
    )


def smallest(
    edge: float, models: int, n_train: int, penalty: float, *, group: int, moved: int
) -> float:
    """Smallest shift of margins that stands out, in the margin's unit.

    edge: `Comparison.null_edge` of direction 1, found with `models` models and `penalty`.
    """
    kept, _ = moments(n_train / models, penalty)
    return float(edge / kept * np.sqrt(group / moved))


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
    """Models with which a shift of `size` stands out; arguments as for `smallest`."""
    _, noise = moments(n_train / models, penalty)

    def excess(log_models: float) -> float:
        wanted = np.exp(log_models)
        _, own = moments(n_train / wanted, penalty)
        at = edge * np.sqrt(own / wanted / (noise / models))
        return smallest(at, wanted, n_train, penalty, group=group, moved=moved) - size

    least = np.log(n_train / 100)
    if excess(least) <= 0:
        return round(np.exp(least))
    return round(np.exp(brentq(excess, least, np.log(1e12), xtol=1e-3)))


def moments(ratio: float, penalty: float) -> tuple[float, float]:
    """Means over the eigenvalues e of e / (e + penalty) and e / (e + penalty)^2.

    ratio: training examples per model. What a ridge fit keeps of a weight, and how it scales noise.
    """
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    # e = middle - half cos(angle), which takes the roots out of the density.
    middle, half = (low + high) / 2, (high - low) / 2

    def mean(power: int) -> float:
        def integrand(angle: float) -> float:
            e = middle - half * np.cos(angle)
            density = (half * np.sin(angle)) ** 2 / (2 * np.pi * ratio)
            return float(density / (e + penalty) ** power)

        return float(quad(integrand, 0, np.pi)[0])

    return mean(1), mean(2)
