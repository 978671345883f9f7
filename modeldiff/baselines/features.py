"""Distances between models by their features: CKA, and canonical correlations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from modeldiff.baselines.pool import Pool
from modeldiff.core.errors import UserError

FEWEST_IMAGES = 20
VARIANCE = 0.99  # of the features, that principal components must hold (SVCCA)
PER_COMPONENT = 10  # images, at least: with fewer, canonical correlations are large by chance


def cka(pool: Pool) -> np.ndarray:
    """1 - linear CKA, debiased: float64 [models x models].

    Kornblith et al. 2019 (arXiv 1905.00414), by the unbiased HSIC of Song et al. 2012, so that
    few images do not make everything alike (Murphy, Zylberberg & Fyshe 2024, arXiv 2405.01012).
    Memory: images x images for each model, 8 bytes each.
    """
    return 1 - similarities(pool.features)


def similarities(features: Sequence[np.ndarray]) -> np.ndarray:
    """Debiased linear CKA of features, float [images x dimensions] each: float64 [n x n].

    Rotations and a common factor of the features change nothing. Raises UserError where features
    are the same for all images, or there are fewer than `FEWEST_IMAGES`.
    """
    centred = []
    for one in features:
        centred.append(_u_centred(one).ravel())
    rows = np.stack(centred)
    products = rows @ rows.T
    own = np.diag(products)
    _refuse(own <= 0, "are the same for all images, so that they cannot be compared")
    return products / np.sqrt(np.outer(own, own))


def svcca(pool: Pool) -> np.ndarray:
    """1 - mean canonical correlation of features: float64 [models x models].

    Of the principal components that hold 99% of each model's variance (SVCCA, Raghu et al. 2017,
    arXiv 1706.05806), a tenth as many as there are images at most.
    """
    return _by_pairs(pool.features, _mean_correlation)


def pwcca(pool: Pool) -> np.ndarray:
    """The same, weighted by how much of the features each correlation is of: float64 [models x
    models].

    PWCCA (Morcos, Raghu & Bengio 2018, arXiv 1806.05759), which weights by one of the two models:
    the mean of both ways.
    """
    return _by_pairs(pool.features, _weighted_correlation)


@dataclass(frozen=True)
class _Subspace:
    """axes: orthonormal, float64 [images x components]; coordinates: of the features in them."""

    axes: np.ndarray
    coordinates: np.ndarray


def _subspace(features: np.ndarray) -> _Subspace:
    _check_images(len(features))
    centred = np.float64(features) - features.mean(0, dtype=np.float64)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    total = (values**2).sum()
    _refuse(np.array([total <= 0]), "are the same for all images, so that they cannot be compared")
    needed = int(np.searchsorted(np.cumsum(values**2) / total, VARIANCE - 1e-12)) + 1
    kept = min(needed, len(features) // PER_COMPONENT)
    return _Subspace(left[:, :kept], values[:kept, None] * right[:kept])


def _by_pairs(
    features: Sequence[np.ndarray], correlation: Callable[[_Subspace, _Subspace], float]
) -> np.ndarray:
    """1 - correlation of each pair of models."""
    subspaces = [_subspace(one) for one in features]
    distances = np.zeros((len(subspaces), len(subspaces)))
    for i, first in enumerate(subspaces):
        for j in range(i):
            distances[i, j] = distances[j, i] = 1 - correlation(first, subspaces[j])
    return distances


def _mean_correlation(first: _Subspace, second: _Subspace) -> float:
    values = np.linalg.svd(first.axes.T @ second.axes, compute_uv=False)
    return float(values.clip(0, 1).mean())


def _weighted_correlation(first: _Subspace, second: _Subspace) -> float:
    left, values, right = np.linalg.svd(first.axes.T @ second.axes, full_matrices=False)
    values = values.clip(0, 1)
    of_first = np.abs(left.T @ first.coordinates).sum(1)
    of_second = np.abs(right @ second.coordinates).sum(1)
    both = values @ of_first / of_first.sum() + values @ of_second / of_second.sum()
    return float(both / 2)


def _u_centred(features: np.ndarray) -> np.ndarray:
    """The Gram matrix, centred so that products of two are n (n - 3) times the unbiased HSIC."""
    n = len(features)
    _check_images(n)
    centred = np.float64(features) - features.mean(0, dtype=np.float64)  # HSIC stays, rounding less
    gram = centred @ centred.T
    np.fill_diagonal(gram, 0)
    rows = gram.sum(1)
    gram -= (rows[:, None] + rows) / (n - 2)
    gram += rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(gram, 0)
    return gram


def _check_images(n: int) -> None:
    if n < FEWEST_IMAGES:
        raise UserError(f"features of {n} images: must be of {FEWEST_IMAGES} or more")


def _refuse(wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise UserError(f"features of model {int(np.argmax(wrong))} {what}")
