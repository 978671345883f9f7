"""What frozen features do to models and images that had no part in finding them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from modeldiff.mining.feature import RECOGNISED, Feature
from modeldiff.mining.sides import Side
from modeldiff.proof.effect import Effect
from modeldiff.training.trained_models import TrainedModels
from modeldiff.verification.effects import half_width

LEVEL = 0.05  # of everything that is proved of a pair together
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
ENOUGH = 0.9  # of the largest value: what reaches it with less change is taken


@dataclass(frozen=True)
class Moved:
    """How p(label) of an algorithm moves, float64.

    by_model: [features x strengths x models], means over images; by_image: [features x strengths x
    images], means over models.
    """

    by_model: np.ndarray
    by_image: np.ndarray

    @property
    def models(self) -> int:
        """How many there are."""
        return self.by_model.shape[2]


@dataclass(frozen=True)
class Evidence:
    """Effects on both, and the difference, with intervals over models and images.

    Differences of probability. The intervals hold for everything that is proved of the pair.
    """

    mover: Effect
    other: Effect
    difference: Effect

    @property
    def found(self) -> bool:
        """Whether it surely moves the one further than the other."""
        return self.difference.low > 0


def measure(
    groups: Iterable[TrainedModels], features: Sequence[Feature], images: np.ndarray, label: int
) -> Moved:
    """Show every feature at every strength to all models; a group in memory at a time.

    images: float32 [n x channels x height x width] in [0, 1], those to prove on.
    """
    by_model = []
    by_image = np.zeros((len(features), len(STRENGTHS), len(images)))
    models = 0
    for group in groups:
        side = Side([group])
        before = side.probability(images, label).astype(np.float64)
        of_group = np.empty((len(features), len(STRENGTHS), len(before)))
        for place in np.ndindex(by_image.shape[:2]):
            changed = features[place[0]].on(images, STRENGTHS[place[1]])
            moved = side.probability(changed, label) - before
            of_group[place] = moved.mean(1)
            by_image[place] += moved.sum(0)
        by_model.append(of_group)
        models += len(before)
    none = np.zeros((len(features), len(STRENGTHS), 0))
    return Moved(np.concatenate([none, *by_model], axis=2), by_image / max(1, models))


def evidence(mover: Moved, other: Moved, feature: int, strength: int, level: float) -> Evidence:
    """Of one feature at one strength; level: what each interval may miss.

    Student's intervals over models and images as in `verification.effects.half_width`; without two
    models of each and two images nothing is known: -inf to inf.
    """
    of_mover = mover.by_model[feature, strength]
    of_other = other.by_model[feature, strength]
    on_mover = mover.by_image[feature, strength]
    on_other = other.by_image[feature, strength]
    return Evidence(
        mover=_effect(_mean(of_mover), [of_mover, on_mover], level),
        other=_effect(_mean(of_other), [of_other, on_other], level),
        difference=_effect(
            _mean(of_mover) - _mean(of_other), [of_mover, of_other, on_mover - on_other], level
        ),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _effect(value: float, sources: Sequence[np.ndarray], level: float) -> Effect:
    far = float(half_width(sources, level))
    return Effect(value=value, low=value - far, high=value + far)


def first_shown(
    kinds: Sequence[str],
    falls: Sequence[float],
    differences: Sequence[float],
    changes: Sequence[float],
) -> int | None:
    """Which of a direction's features to show first; None if none is found.

    Those that surely go with the training images come first, by how much of their effect does; then
    what a person may recognise, then what is learned, by how much further they move the mover.
    kinds: of each; falls: NaN where it is not sure; differences: NaN of one that is not found;
    changes: how far it moves an image's values.
    """
    recognised = []
    for kind, difference in zip(kinds, differences, strict=True):
        recognised.append(difference if kind in RECOGNISED else np.nan)
    for values in (falls, recognised, differences):
        place = best(values, changes)
        if place is not None:
            return place
    return None


def best(values: Sequence[float], changes: Sequence[float]) -> int | None:
    """Which of a direction's features to show first; None of none.

    Of those whose value comes near the largest, the one that changes images least. values: of each,
    how far it moves the mover further, NaN of one that does not count; changes: how far it moves an
    image's values.
    """
    counted = np.array(values)
    if np.isnan(counted).all():  # also of none
        return None
    near = counted >= ENOUGH * np.nanmax(counted)
    return int(np.where(near, changes, np.inf).argmin())
