"""From a direction to one feature of each kind: found on some images, chosen on others.

What is proved then is proved on images and models that had no part in this.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modeldiff.core import rng
from modeldiff.mining.crops import crops
from modeldiff.mining.edits import edits
from modeldiff.mining.evidence import best
from modeldiff.mining.feature import KINDS, Feature
from modeldiff.mining.learned import learned
from modeldiff.mining.sides import Side, differences

SOURCES = 8  # training images that patches are cut out of
STRONGEST = 20  # training images that say which class a direction is about
SCREENED = 32  # images that every attempt is shown on
KEPT = 40  # attempts of a kind that are shown on more
# The best of all would often be of one size, or one edit. So these are the most of a family:
KEPT_OF_FAMILY = 10
FINALISTS = 3  # that are shown on the images to choose on


@dataclass(frozen=True)
class Direction:
    """What mining takes of a direction.

    label: the class that its training images stand for. sources: the strongest of those with this
    label, int64 [`SOURCES` at most].
    """

    label: int
    sources: np.ndarray


@dataclass(frozen=True)
class Mined:
    """What was chosen for a direction: a feature of each of `KINDS`, in that order.

    tried: how many features of each kind there were to choose among.
    """

    features: list[Feature]
    tried: list[int]


def direction_of(weights: np.ndarray, labels: np.ndarray) -> Direction:
    """A direction by its weights of training images, float [n_train]; labels: int [n_train].

    The label is the one of most weight among the strongest training images.
    """
    strongest = np.argsort(-weights, kind="stable")[:STRONGEST]
    of_labels = np.bincount(labels[strongest], weights=np.maximum(weights[strongest], 0))
    label = int(of_labels.argmax())
    return Direction(label=label, sources=strongest[labels[strongest] == label][:SOURCES])


def mine(
    mover: Side,
    other: Side,
    direction: Direction,
    sources: np.ndarray,
    to_find: np.ndarray,
    to_choose: np.ndarray,
    *,
    most_crops: int,
    steps: int,
    identity: Sequence[rng.Key],
) -> Mined:
    """Features that move the mover to the direction's class, and not the other: one of each kind.

    sources: the direction's training images; to_find, to_choose: test images of other classes;
    float32 [n x channels x height x width] in [0, 1]. most_crops: squares that are cut out of the
    sources, at most; steps: of learning. identity: of what is random, as for `core.rng`.
    """
    label = direction.label
    few = to_find[:SCREENED]
    cut = crops(sources, direction.sources.tolist(), most_crops, *identity, "crops")
    patches = _best(mover, other, cut, few, label, KEPT_OF_FAMILY)[:KEPT]
    patches += [replace(patch, anywhere=True) for patch in patches]
    made = learned(mover, other, to_find, label, steps, *identity, "learned")
    edited = edits(to_find.shape[1:])
    candidates = {
        "patch": patches,
        "learned patch": [feature for feature in made if feature.kind == "learned patch"],
        "learned pattern": [feature for feature in made if feature.kind == "learned pattern"],
        "edit": _best(mover, other, edited, few, label, FINALISTS)[:KEPT],
    }
    counts = {"patch": len(cut) + len(patches) // 2, "edit": len(edited)}  # half of them anywhere
    features = []
    tried = []
    for kind in KINDS:
        finalists = _best(mover, other, candidates[kind], to_find, label, FINALISTS)
        features.append(chosen(mover, other, finalists, to_choose, label))
        tried.append(counts.get(kind, len(candidates[kind])))
    return Mined(features=features, tried=tried)


def chosen(
    mover: Side, other: Side, finalists: Sequence[Feature], images: np.ndarray, label: int
) -> Feature:
    """The finalist that changes images least, of those that come near the largest difference."""
    found = differences(mover, other, finalists, images, label)
    if found.max() <= 0:
        return finalists[int(found.argmax())]
    place = best(found.tolist(), [change(feature, images) for feature in finalists])
    assert place is not None
    return finalists[place]


def change(feature: Feature, images: np.ndarray) -> float:
    """How far it moves an image's values, mean: 0 to 1."""
    return float(np.abs(feature.on(images) - images).mean())


def _best(
    mover: Side,
    other: Side,
    features: Sequence[Feature],
    images: np.ndarray,
    label: int,
    most: int,
) -> list[Feature]:
    """Those with the largest differences of each family."""
    found = differences(mover, other, features, images, label)
    taken: Counter[tuple[object, ...]] = Counter()
    best = []
    for place in np.argsort(-found, kind="stable"):
        family = features[place].family
        if taken[family] < most:
            taken[family] += 1
            best.append(features[place])
    return best
