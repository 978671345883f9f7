"""How alike two algorithms use the training data, all of it and all targets at once.

Margins of two models are alike as far as their subsets are, by the weights that made them. So the
products of margins of different models, weighted by the products of their masks, add up to the
products of the weights (the regression of Haseman & Elston 1972; of the margins of two algorithms,
as genetic correlations are found). No model is multiplied with itself: noise adds nothing but
spread, and no single weight has to be known. This sees what no direction shows: a difference
spread over many images.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from modeldiff.comparison.paired_ridge import Paired, Ridge

AGREEMENT_LEVEL = 0.01  # of the test that anything differs, beside that of directions
PAIRED = 256  # models of a block whose pairs are looked at one by one
Z_CRITICAL = float(norm.ppf(0.975))  # of a 95% interval, in standard errors


@dataclass(frozen=True)
class Agreement:
    """Of the datamodels of two algorithms, noise taken out.

    value: cosine of all weights of A with all of B: 1 if they are the same up to one factor. Its
    error can carry it beyond 1. low, high: 95% interval over models. All NaN where the margins of
    one do not surely show that its training images matter (its squared weights, noise taken out,
    are not above 0 by 1.96 standard errors): the ratio would be one of noise. p_value: the chance
    of such a difference, in all targets together, if there were none, or one in scale where that
    was taken out.
    """

    value: float
    low: float
    high: float
    p_value: float

    @property
    def differ(self) -> bool:
        """Whether something differs, be it in a direction that stands out or not."""
        return self.p_value <= AGREEMENT_LEVEL and self.high < 1

    @property
    def scaled(self) -> bool:
        """Whether something differs, but as far as is known no more than a factor."""
        return self.p_value <= AGREEMENT_LEVEL and self.high >= 1


def agreement(ridge: Ridge, models: Paired, covariances: np.ndarray, p_value: float) -> Agreement:
    """See `Agreement`. covariances: `ridge.covariances(models)`.

    The interval is that of a U-statistic (Hoeffding 1948): by the squares of what each model adds
    with all others, in which those of the pairs are counted twice; these are known from the first
    PAIRED models of each block. Memory: a block of models at a time.
    """
    n = ridge.models
    sums, squares, of_pairs, counted = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3)), 0
    for rows, x in ridge.centred_masks(4 * models.n_targets):
        a, b = models.centred(rows, ridge.chosen)
        with_a = x @ covariances[0]
        with_b = x @ covariances[1]
        own = _dot(x, x) * n / (n - 1)  # margins are shrunk by their own mean
        added = np.stack(
            [
                _dot(a, with_a) - own * _dot(a, a),
                _dot(b, with_b) - own * _dot(b, b),
                (_dot(a, with_b) + _dot(b, with_a)) / 2 - own * _dot(a, b),
            ]
        )
        sums += added.sum(1)
        squares += added @ added.T
        x, a, b = x[:PAIRED], a[:PAIRED], b[:PAIRED]
        alike = x @ x.T
        np.fill_diagonal(alike, 0)
        pairs = np.stack([alike * (y @ z.T) for y, z in ((a, a), (b, b), (a, b))], dtype=np.float64)
        pairs[2] = (pairs[2] + pairs[2].T) / 2
        of_pairs += np.einsum("imn,jmn->ij", pairs, pairs)
        counted += len(x) * (len(x) - 1)
    all_pairs = of_pairs * n * (n - 1) / max(1, counted)

    def error(slope: np.ndarray) -> float:
        """Standard error of `slope @ sums`."""
        whole, twice = slope @ squares @ slope, slope @ all_pairs @ slope
        # A pair is added by two models. At least half is left: as if all were of pairs.
        return math.sqrt(max(4 * whole - 2 * twice, 2 * whole))

    aa, bb, ab = sums
    of_a, of_b, _ = np.eye(3)
    if aa <= Z_CRITICAL * error(of_a) or bb <= Z_CRITICAL * error(of_b):
        return Agreement(math.nan, math.nan, math.nan, p_value)
    value = float(ab / math.sqrt(aa * bb))
    slope = np.array([-value / 2 / aa, -value / 2 / bb, 1 / math.sqrt(aa * bb)])
    half_width = Z_CRITICAL * error(slope)
    return Agreement(value, value - half_width, value + half_width, p_value)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of one with the same of the other, float64."""
    return np.einsum("ij,ij->i", a, b, dtype=np.float64)
