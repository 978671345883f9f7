"""Margins of two algorithms trained on the same subsets, read in blocks; ridge regression."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve

from modeldiff.core import arguments, rng
from modeldiff.core.errors import UserError
from modeldiff.datamodels.blocking import blocks
from modeldiff.datamodels.gram import Gram
from modeldiff.study.sizes import FEWEST_COMPARED

SURE = 1.645  # standard errors below the share: with nothing to predict, 0 in 95 of 100 cases


@dataclass(frozen=True)
class Paired:
    """Paired margins; only blocks of them are read.

    masks [models x n_train], margins_a, margins_b [models x n_targets]: as for `contrast`.
    used: bool [models], both models finished. mean_a, mean_b: float64 [n_targets], over those.
    scale: what B's margins are multiplied by in `difference`.
    """

    masks: Any
    margins_a: np.ndarray
    margins_b: np.ndarray
    used: np.ndarray
    mean_a: np.ndarray
    mean_b: np.ndarray
    scale: float = 1.0

    @classmethod
    def of(cls, masks: Any, margins_a: np.ndarray, margins_b: np.ndarray) -> "Paired":
        """UserError for shapes that do not match and for too few models."""
        arguments.masks("masks", masks)
        arguments.margins("margins_a", margins_a)
        arguments.margins("margins_b", margins_b)
        shape = tuple(masks.shape)
        shape_a = tuple(margins_a.shape)
        shape_b = tuple(margins_b.shape)
        if shape_a != shape_b or shape[0] != shape_a[0]:
            raise UserError(
                f"masks {shape}, margins {shape_a} and {shape_b}: must be [models x n_train] and "
                "twice [models x n_targets], of the same models"
            )
        used = np.zeros(shape[0], bool)
        sums = np.zeros((2, shape_a[1]))
        for rows in blocks(shape[0], 2 * shape_a[1]):
            a = np.asarray(margins_a[rows], np.float64)
            b = np.asarray(margins_b[rows], np.float64)
            used[rows] = np.isfinite(a).all(1) & np.isfinite(b).all(1)
            sums += np.stack([a[used[rows]].sum(0), b[used[rows]].sum(0)])
        models = int(used.sum())
        if models < FEWEST_COMPARED:
            raise UserError(
                f"margins: {models} models finished under both algorithms; must be "
                f"{FEWEST_COMPARED} or more"
            )
        mean_a, mean_b = sums / models
        return cls(masks, margins_a, margins_b, used, mean_a, mean_b)

    @property
    def n_train(self) -> int:
        """Training examples."""
        return int(self.masks.shape[1])

    @property
    def n_targets(self) -> int:
        """Test examples with a datamodel."""
        return self.margins_a.shape[1]

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """The used models in two halves, every other one in each, bool [models]."""
        order = np.cumsum(self.used) % 2 == 0
        return self.used & order, self.used & ~order

    def centred(self, rows: slice, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Margins of both less their means, float32 [chosen of the rows x n_targets]."""
        a = np.asarray(self.margins_a[rows])[chosen[rows]] - self.mean_a
        b = np.asarray(self.margins_b[rows])[chosen[rows]] - self.mean_b
        return a.astype(np.float32), b.astype(np.float32)

    def difference(self, rows: slice) -> np.ndarray:
        """A less `scale` times B of the used models, float32, centred over models."""
        a, b = self.centred(rows, self.used)
        return a - np.float32(self.scale) * b


class Ridge:
    """Ridge regression on the standardised masks of some models, as a linear map of margins.

    inverse: float32 [n_train x n_train], such that `inverse @ covariances` are weights in units
        of the 0/1 mask. Columns that never vary get weight 0.
    leverage: mean weight of a model's own margin in its prediction, by the mean margin, too.
    unshrunk: factor on a square of what has been centred, for its expectation before.
    """

    def __init__(self, masks: Any, chosen: np.ndarray, penalty: float):
        gram = Gram.of(masks, chosen, torch.device("cpu"))
        scale = gram.inverse_deviation()
        correlation = gram.covariance(scale).double().numpy()
        diagonal = np.diag_indices_from(correlation)
        correlation[diagonal] += penalty
        inverse = cho_solve(cho_factor(correlation), np.eye(len(correlation)))
        # The trace of (C + penalty)^-1 C; columns that never vary are in neither term.
        varying = scale.numpy() > 0
        fitted = varying.sum() - penalty * inverse[diagonal][varying].sum()
        self.leverage = float((fitted + 1) / gram.models)
        deviation = scale.numpy()
        self.inverse = (deviation[:, None] * inverse * deviation).astype(np.float32)
        self.masks = masks
        self.chosen = chosen
        self.models = gram.models
        self.unshrunk = gram.models / (gram.models - 1)
        self.share = gram.share().numpy().astype(np.float32)

    def centred_masks(self, width: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of models: their range, and the masks of the chosen ones less the columns' means.

        float32 [chosen of the rows x n_train]; `width`: columns of what they are multiplied with.
        """
        for rows in blocks(len(self.chosen), max(self.masks.shape[1], width)):
            if self.chosen[rows].any():
                yield rows, self.masks[rows][self.chosen[rows]] - self.share

    def covariances(self, models: Paired) -> np.ndarray:
        """Centred masks times margins of A and of B, summed over models: float32 [2 x n_train x
        n_targets].
        """
        sums = np.zeros((2, self.masks.shape[1], models.n_targets), np.float32)
        for rows, x in self.centred_masks(2 * models.n_targets):
            a, b = models.centred(rows, self.chosen)
            sums[0] += x.T @ a
            sums[1] += x.T @ b
        return sums

    def weights(self, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of A and of B, float32 [n_targets x n_train], in units of the 0/1 mask."""
        a = (self.inverse @ (covariances[0] / self.models)).T
        b = (self.inverse @ (covariances[1] / self.models)).T
        return a, b

    def noise(self, models: Paired, basis: np.ndarray, seen: np.ndarray) -> "Noise":
        """The part of the differences that the masks do not predict.

        basis: float32 [n_targets x r]; seen: [r x n_train], weights of the differences along it.
        """
        noise = Noise(self, models, basis, seen.T.astype(np.float32), 0.0, 0.0)
        product = variance = square = itself = 0.0
        total = np.zeros((len(seen.T), len(seen)), np.float32)
        for rows, x in self.centred_masks(3 * basis.shape[1]):
            d, predicted = noise.parts(rows, x)
            products = (d * predicted).sum(1, dtype=np.float64)
            product += float(products.sum())
            # Each product of two models is in the sum twice, so its variance counts twice.
            variance += 2 * float((products**2).sum())
            square += float((predicted**2).sum(dtype=np.float64))
            total += x.T @ d
            itself += _with_itself(x, d)
        surely = product - SURE * np.sqrt(variance)
        share = max(0.0, surely / square) if square else 0.0
        pairs = float(np.square(total, dtype=np.float64).sum()) - itself * self.unshrunk
        return replace(noise, share=share, pairs=pairs)


@dataclass(frozen=True)
class Noise:
    """Differences of margins less the part that the masks certainly predict.

    Each model's prediction comes from a fit without it (all models are taken to have the same
    leverage, as in generalised cross-validation; for masks of one size this nearly holds). It is
    multiplied by the `share` of it that is certain: the lower end of a one-sided 95% interval of
    the share that predicts best. If nothing differs, a fit without a model predicts nothing, but
    the best share is above 0 by chance half of the time, and removing it would make the noise too
    small. The lower end is then 0, and the noise is the difference itself. Otherwise more than the
    difference's own noise is left, hardly ever less.

    pairs: sum over pairs of models of the product of their differences times that of their masks:
        large if models with similar subsets have similar differences, 0 on average if nothing
        differs.
    """

    ridge: Ridge
    models: Paired
    basis: np.ndarray
    weights: np.ndarray
    share: float
    pairs: float

    def parts(self, rows: slice, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences along the basis, and their predictions: [chosen of the rows x r]."""
        d = self.models.difference(rows) @ self.basis
        # The mean is also one without the model. Otherwise the others, whose centred sum is the
        # model's opposite, would predict it.
        left = (d - x @ self.weights) / (1 - self.ridge.leverage)
        return d, d * np.float32(self.ridge.unshrunk) - left

    def flipped(self, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the noise, each model's multiplied by its sign, and its `pairs`.

        signs: float32 [permutations x models]. Returns float32 [permutations x n_train x r],
        float64 [permutations].
        """
        ridge = self.ridge
        permutations = len(signs)
        r = self.basis.shape[1]
        total = np.zeros((len(self.weights), permutations * r), np.float32)
        itself = 0.0
        for rows, x in ridge.centred_masks(permutations * r):
            d, predicted = self.parts(rows, x)
            noise = (d - np.float32(self.share) * predicted) * np.float32(ridge.unshrunk**0.5)
            itself += _with_itself(x, noise)
            flipped = signs[:, rows][:, ridge.chosen[rows]].T[:, :, None] * noise[:, None, :]
            total += x.T @ flipped.reshape(len(d), permutations * r)
        by_flip = total.reshape(-1, permutations, r)
        squares = np.einsum("nfr,nfr->f", by_flip, by_flip, dtype=np.float64)
        weights = ridge.inverse @ (total / ridge.models)
        return weights.reshape(-1, permutations, r).transpose(1, 0, 2), squares - itself


def _with_itself(x: np.ndarray, d: np.ndarray) -> float:
    """What each model, paired with itself, adds to `pairs`, summed."""
    return float(np.square(x).sum(1) @ np.square(d, dtype=np.float64).sum(1))


def signs(models: int, seed: int, flip: int) -> np.ndarray:
    """The sign of each model in a flip, float32 [models]: -1 exchanges A and B."""
    return ((rng.words(models, "flip", seed, flip) & np.uint64(1)) * 2.0 - 1).astype(np.float32)
