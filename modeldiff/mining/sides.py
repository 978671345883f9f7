"""Both algorithms' models, and what features do to them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from modeldiff.mining.feature import Feature
from modeldiff.training.trained_models import TrainedModels

AT_ONCE = 2**20  # values of images that models are shown at a time


@dataclass(frozen=True)
class Side:
    """Trained models of one algorithm, in groups."""

    groups: Sequence[TrainedModels]

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return next(iter(self.groups[0].state.values())).device

    def probability(self, images: np.ndarray, label: int) -> np.ndarray:
        """p(label), float32 [models x images]; images: float32 [n x C x H x W] in [0, 1]."""
        at_once = max(1, AT_ONCE // math.prod(images.shape[1:]))
        rows = []
        for trained in self.groups:
            parts = []
            for start in range(0, len(images), at_once):
                logits = trained.logits(images[start : start + at_once])
                parts.append(logits.softmax(2)[..., label].cpu().numpy())
            rows.append(np.concatenate(parts, axis=1))
        return np.concatenate(rows)

    def log_probabilities(self, images: Tensor) -> Tensor:
        """log p, float32 [models x n x classes], with gradients for the images [n x C x H x W]."""
        return torch.cat([group.outputs(images).log_softmax(2) for group in self.groups])


def finite(groups: Iterable[TrainedModels], images: np.ndarray) -> list[TrainedModels]:
    """Groups without those models whose outputs on these images are not finite."""
    kept = []
    for trained in groups:
        fit = trained.logits(images).isfinite().all(2).all(1)
        if fit.any():
            kept.append(trained.only(fit))
    return kept


def differences(
    mover: Side, other: Side, features: Sequence[Feature], images: np.ndarray, label: int
) -> np.ndarray:
    """How much further each feature moves p(label) of the one than of the other.

    Means over models and images: float64 [features].
    """
    shown = max(1, AT_ONCE // images.size)  # features at a time
    before = _mean(mover, images, label, 1) - _mean(other, images, label, 1)
    found = []
    for start in range(0, len(features), shown):
        some = features[start : start + shown]
        changed = np.concatenate([feature.on(images) for feature in some])
        after = _mean(mover, changed, label, len(some)) - _mean(other, changed, label, len(some))
        found.append(after - before)
    return np.concatenate(found)


def _mean(side: Side, images: np.ndarray, label: int, features: int) -> np.ndarray:
    """p(label) of images that are features x images, by feature."""
    rows = side.probability(images, label)
    return rows.reshape(len(rows), features, -1).mean((0, 2), dtype=np.float64)
