"""The models of both recipes, and the test images that they are compared on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from modeldiff.automata import Comparison
from modeldiff.baselines import sequence_automata
from modeldiff.core import rng
from modeldiff.dataset import Images
from modeldiff.training.features import features
from modeldiff.training.trained_models import TrainedModels


@dataclass(frozen=True)
class Pool:
    """Models trained on all data, A's first, and images to compare them on.

    groups: the models. sizes: how many are A's and how many B's. failed: of either, left out since
    their outputs are not finite. images: uint8 [images x C x H x W] and labels int64 [images].
    classes: names. logits: float32 [models x images x classes]. key: of all random numbers.
    known: what else is known of the images, float64 [images] by name. alphabet: of sequences.
    Memory: weights and logits of all models, and features, 4 bytes each, once they are asked for.
    Distances by image are models x models x images, 4 bytes each.
    """

    groups: tuple[TrainedModels, ...]
    sizes: tuple[int, int]
    failed: tuple[int, int]
    images: Images
    classes: Sequence[str]
    logits: np.ndarray
    key: tuple[rng.Key, ...]
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    alphabet: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        a: Iterable[TrainedModels],
        b: Iterable[TrainedModels],
        images: Images,
        classes: Sequence[str],
        *key: rng.Key,
    ) -> "Pool":
        """Of the models of both; those whose outputs are not finite are left out and counted."""
        groups: list[TrainedModels] = []
        logits: list[np.ndarray] = []
        sizes: list[int] = []
        failed: list[int] = []
        for side in (a, b):
            before = sum(map(len, logits))
            lost = 0
            for trained in side:
                found = trained.logits(images.images)
                fit = found.isfinite().all(2).all(1)
                lost += int((~fit).sum())
                if fit.any():
                    groups.append(trained.only(fit))
                    logits.append(found[fit].cpu().numpy())
            sizes.append(sum(map(len, logits)) - before)
            failed.append(lost)
        return cls(
            groups=tuple(groups),
            sizes=(sizes[0], sizes[1]),
            failed=(failed[0], failed[1]),
            images=images,
            classes=classes,
            logits=np.concatenate(logits) if logits else np.empty((0, len(images.labels), 0)),
            key=key,
        )

    def first(self, models: int) -> "Pool":
        """The first models of either recipe; this pool itself where there are no more."""
        n_a, n_b = self.sizes
        if max(n_a, n_b) <= models:
            return self
        kept = np.r_[: min(models, n_a), n_a : n_a + min(models, n_b)]
        groups = []
        start = 0
        for trained in self.groups:
            stop = start + trained.models
            own = torch.from_numpy(kept[(kept >= start) & (kept < stop)] - start)
            if len(own):
                groups.append(trained.only(own))
            start = stop
        sizes = (min(models, n_a), min(models, n_b))
        return replace(self, groups=tuple(groups), sizes=sizes, logits=self.logits[kept])

    @property
    def models(self) -> int:
        """Of both."""
        return sum(self.sizes)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class that each model predicts, int64 [models x images]."""
        return self.logits.argmax(2)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The softmax of the logits, float32 [models x images x classes]."""
        return torch.from_numpy(self.logits).softmax(2).numpy()

    @cached_property
    def features(self) -> list[np.ndarray]:
        """What goes into each model's last linear layer, float32 [images x dimensions] each.

        Raises UserError if a model has none.
        """
        found: list[np.ndarray] = []
        for trained in self.groups:
            found += list(features(trained, self.images.images).cpu().numpy())
        return found

    @cached_property
    def automata(self) -> Comparison:
        """Both recipes compared by the automata of their models, for sequences in two classes."""
        return sequence_automata.compared(
            self.groups,
            self.sizes[0],
            symbols=len(self.alphabet),
            length=self.images.images.shape[1],
            seed=rng.seed("automata", *self.key),
        )

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return next(iter(self.groups[0].state.values())).device

    def outputs(self, images: Tensor) -> Tensor:
        """Logits of any images, float32 [n x C x H x W] in [0, 1] on the models' device, by all
        models: float32 [models x n x classes]. They can be differentiated by the images.
        """
        return torch.cat([trained.outputs(images) for trained in self.groups])
