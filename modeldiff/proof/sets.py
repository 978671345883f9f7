"""Training sets that are chosen to prove a proposal."""

from typing import NamedTuple

import numpy as np


class Halves(NamedTuple):
    """Two disjoint sets of training examples, equally many of each class: bool [n_train] each."""

    high: np.ndarray
    low: np.ndarray


def opposite_halves(weights: np.ndarray, labels: np.ndarray) -> Halves:
    """Within each class, the half of the examples with the larger weights, and the other half.

    weights: float [n_train], those of a proposal; labels: int [n_train]. A class of an odd number
    of examples has its middle one in neither. Random halves vary little along a proposal; these
    vary as much as halves can, so that one pair tells as much as many random ones, and the balance
    of classes is no cause of what they do.
    """
    high = np.zeros(len(weights), bool)
    low = np.zeros(len(weights), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(-weights[members], kind="stable")]
        half = len(members) // 2
        high[order[:half]] = True
        low[order[len(order) - half :]] = True
    return Halves(high=high, low=low)
