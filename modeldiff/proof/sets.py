"""Training sets that are chosen to prove a proposal."""

from typing import NamedTuple

import numpy as np

from modeldiff.core import rng


class Sets(NamedTuple):
    """Two sets of training examples, equally many of each class: bool [n_train] each.

    Models trained on the first should differ from models trained on the second.
    """

    first: np.ndarray
    second: np.ndarray


def opposite_halves(weights: np.ndarray, labels: np.ndarray) -> Sets:
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
    return Sets(first=high, second=low)


def images_of(share: float, n_train: int) -> int:
    """How many training images a share of them is: one or more."""
    return max(1, round(share * n_train))


def strongest(weights: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """The share of the examples with the largest weights: bool [n_train]; share: at most 1/4.

    At most half of a class, so that as many others of it are left to compare with.
    """
    group = np.zeros(len(weights), bool)
    room = {label: int((labels == label).sum()) // 2 for label in np.unique(labels)}
    wanted = images_of(share, len(weights))
    for example in np.argsort(-weights, kind="stable"):
        if room[labels[example]]:
            group[example] = True
            room[labels[example]] -= 1
            wanted -= 1
        if not wanted:
            break
    return group


def with_and_without(group: np.ndarray, labels: np.ndarray, *identity: rng.Key) -> Sets:
    """All examples but as many random others as the group has of each class; all but the group.

    group: bool [n_train], at most half of any class; labels: int [n_train]. identity: whose
    randomness, as for `core.rng`.
    """
    others = np.zeros(len(group), bool)
    order = rng.permutation(len(group), *identity)
    for label in np.unique(labels[group]):
        of_class = labels == label
        candidates = order[(of_class & ~group)[order]]
        many = int((of_class & group).sum())
        others[candidates[:many]] = True
    return Sets(first=~others, second=~group)
