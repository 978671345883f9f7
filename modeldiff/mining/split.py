"""Which test images features are found, chosen and proved on."""

from dataclasses import dataclass

import numpy as np

from modeldiff.core import rng

PROVING = 500  # images to prove on, at most


@dataclass(frozen=True)
class Split:
    """Test images that do not have the class a feature should move them to, int64 each.

    find, choose: of those that directions are found on; prove: of the verification images.
    """

    find: np.ndarray
    choose: np.ndarray
    prove: np.ndarray


def split(
    targets: np.ndarray,
    verification: np.ndarray,
    labels: np.ndarray,
    label: int,
    most: int,
    *identity: rng.Key,
) -> Split:
    """Drawn by `identity`; `most` to find on, as many to choose on, and `PROVING` to prove on.

    targets, verification: int64, test images; labels: int64 [n_test].
    """
    drawn = targets[rng.permutation(len(targets), "find", *identity)]
    drawn = drawn[labels[drawn] != label]
    half = len(drawn) // 2
    unseen = verification[rng.permutation(len(verification), "prove", *identity)]
    unseen = unseen[labels[unseen] != label]
    return Split(find=drawn[:half][:most], choose=drawn[half:][:most], prove=unseen[:PROVING])
