"""Would noise alone give a direction as strong? The sign-flip test of a contrast.

If two algorithms do not differ, the margins of model m under A and under B are, given its subset,
two draws from one distribution, and exchanging them makes no systematic difference. Exchanging both
margins of a model, for all targets at once, flips the sign of its difference and keeps the
correlation of its noise across targets. The singular values after many random exchanges are
therefore those of no difference, for any number of models and any noise: a permutation test that is
exact except for the means and the scale, which are estimated. Where the algorithms do differ, the
part of the difference that the masks predict is removed before signs are flipped, or it would be
mistaken for noise (Freedman & Lane 1983; Winkler et al. 2014, for sign flips). Direction k is
tested with the directions before it removed (Winkler et al. 2020, for canonical correlations);
testing stops at the first that does not stand out, so that the chance of any false direction is
DIRECTION_LEVEL.
"""

from dataclasses import dataclass

import numpy as np
import torch

from modeldiff.comparison.paired_ridge import Noise, Paired, Ridge, signs
from modeldiff.comparison.result import DIRECTION_LEVEL, Chance
from modeldiff.core import rng
from modeldiff.datamodels.blocking import blocks

RANK = 256  # dimensions of the targets' space that directions are found and tested in
FLIP_BYTES = 1 << 27  # of flipped weights held at a time


def basis(models: Paired, seed: int) -> np.ndarray:
    """The target dimensions along which the models differ most, float32 [n_targets x r].

    All of them, or an orthonormal basis of the leading RANK principal axes of the differences, by
    two steps of a randomised range finder (Halko et al. 2011). Flips leave the sums it is made of
    as they are, so that a test in its space is as exact as one in the whole.
    """
    n = models.n_targets
    if n <= RANK:
        return np.eye(n, dtype=np.float32)
    q = rng.uniform(n * RANK, "basis", seed).reshape(n, RANK) - 0.5
    for _ in range(2):
        total = np.zeros((n, RANK))
        for rows in blocks(len(models.used), 2 * n):
            d = models.difference(rows)
            total += d.T @ (d @ q.astype(np.float32))
        q, _ = np.linalg.qr(total)
    return q.astype(np.float32)


@dataclass(frozen=True)
class FlipTest:
    """The outcome of the sign flips of one difference.

    p_value, critical_value: float64 [directions], as in `Comparison`; p_any: of all that differs.
    """

    p_value: np.ndarray
    critical_value: np.ndarray
    p_any: float
    chance: Chance


def flip_test(
    ridge: Ridge,
    models: Paired,
    basis: np.ndarray,
    difference: np.ndarray,
    directions: np.ndarray,
    permutations: int,
    seed: int,
) -> FlipTest:
    """Test the directions of a difference of weights.

    basis: float32 [n_targets x r]; difference: float64 [n_targets x n_train]; directions:
    orthonormal [directions x n_train], singular vectors of `basis.T @ difference`.
    """
    seen = basis.T @ difference
    strengths = np.linalg.norm(seen @ directions.T, axis=0)
    noise = ridge.noise(models, basis, seen)
    return sign_flips(noise, directions, strengths, permutations, seed)


def sign_flips(
    noise: Noise, directions: np.ndarray, singular_values: np.ndarray, permutations: int, seed: int
) -> FlipTest:
    """Adjusted p-values and null edges of the directions, and the p-value of all that differs
    together (`Noise.pairs`).

    directions: orthonormal [directions x n_train], of the singular values given. Those after the
    first that is not significant carry its p-value, which theirs cannot be below; their edge is
    NaN, since they are not tested.
    Memory: FLIP_BYTES and permutations x r^2, besides what `noise` holds.
    """
    n, r = noise.weights.shape
    k = len(directions)
    products = np.empty((permutations, r, r), np.float32)
    along = np.empty((permutations, r, k), np.float32)
    pairs = np.empty(permutations)
    step = max(1, FLIP_BYTES // (4 * n * r))
    for start in range(0, permutations, step):
        some = range(start, min(start + step, permutations))
        chosen = np.stack([signs(len(noise.models.used), seed, flip) for flip in some])
        flipped, pairs[some.start : some.stop] = noise.flipped(chosen)
        for flip, weights in zip(some, flipped, strict=True):
            products[flip] = weights.T @ weights
            along[flip] = weights.T @ directions.T.astype(np.float32)
    p_value = np.full(k, np.nan)
    critical_value = np.full(k, np.nan)
    chance = Chance(strongest=float(singular_values[0]), exchanged=_largest(products))
    worst = 0.0
    for i, observed in enumerate(singular_values):
        if worst <= DIRECTION_LEVEL:
            null = chance.exchanged if i == 0 else _largest(products)
            exceeding = 1 + int((null >= observed).sum())
            worst = max(worst, exceeding / (permutations + 1))
            critical_value[i] = np.quantile(null, 1 - DIRECTION_LEVEL, method="higher")
            products -= along[:, :, i, None] * along[:, None, :, i]
        p_value[i] = worst
    return FlipTest(
        p_value=p_value,
        critical_value=critical_value,
        p_any=(1 + int((pairs >= noise.pairs).sum())) / (permutations + 1),
        chance=chance,
    )


def _largest(products: np.ndarray) -> np.ndarray:
    """The largest singular value of each matrix, from its product with itself: [permutations]."""
    values = torch.linalg.eigvalsh(torch.from_numpy(products))[:, -1]
    return values.clamp_min(0).double().sqrt().numpy()
