"""How similarly two algorithms use the training data, over all examples and targets together.

Two models have similar margins to the extent that their subsets are similar, and the weights
determine that extent. So the products of margins of different models, weighted by the products of
their masks, add up to the products of the weights (the regression of Haseman & Elston 1972; for the
margins of two algorithms, as genetic correlations are estimated). No model is multiplied by itself,
so noise adds spread but no bias, and no single weight has to be known. This reveals what no
direction shows: a difference that is spread over many images.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from modeldiff.comparison.paired_ridge import Paired, Ridge

AGREEMENT_LEVEL = 0.01  # of the test that anything differs; that of directions is separate
PAIRED = 256  # models of a block of which all pairs are computed
Z_CRITICAL = float(ndtri(0.975))  # of a 95% interval, in standard errors


@dataclass(frozen=True)
class Agreement:
    """Agreement of the datamodels of two algorithms, with noise removed.

    value: cosine of all weights of A with all of B: 1 if they are equal up to one factor; errors
    can put it above 1. low, high: 95% interval over models. All are NaN if the margins of either do
    not show for certain that its training images matter (if its squared weights, with noise
    removed, are not above 0 by 1.96 standard errors): the ratio would be one of noise. p_value:
    probability of such a difference, in all targets together, if there were none, or only one in
    scale where that was removed.
    """

    value: float
    low: float
    high: float
    p_value: float

    @property
    def differ(self) -> bool:
        """Whether something differs, with or without a direction that stands out."""
        return self.p_value <= AGREEMENT_LEVEL and self.high < 1

    @property
    def scaled(self) -> bool:
        """Whether something differs, but possibly only by a factor."""
        return self.p_value <= AGREEMENT_LEVEL and self.high >= 1


def agreement(ridge: Ridge, models: Paired, covariances: np.ndarray, p_value: float) -> Agreement:
    """See `Agreement`. covariances: `ridge.covariances(models)`.

    The interval is that of a U-statistic (Hoeffding 1948). It comes from the squares of what each
    model adds together with all others. In these the squares of single pairs count twice; they are
    estimated on the first PAIRED models of each block. Memory: a block of models at a time.
    """
    n = ridge.models
    # Of A with A, B with B, and A with B: sums over models, and their products.
    sums = np.zeros(3)
    squares = np.zeros((3, 3))
    of_pairs = np.zeros((3, 3))
    counted = 0
    for rows, x in ridge.centred_masks(4 * models.n_targets):
        a, b = models.centred(rows, ridge.chosen)
        with_a = x @ covariances[0]
        with_b = x @ covariances[1]
        itself = _dot(x, x) * n / (n - 1)  # margins are shrunk by their own mean
        added = np.stack(
            [
                _dot(a, with_a) - itself * _dot(a, a),
                _dot(b, with_b) - itself * _dot(b, b),
                (_dot(a, with_b) + _dot(b, with_a)) / 2 - itself * _dot(a, b),
            ]
        )
        sums += added.sum(1)
        squares += added @ added.T
        x = x[:PAIRED]
        a = a[:PAIRED]
        b = b[:PAIRED]
        alike = x @ x.T
        np.fill_diagonal(alike, 0)
        products = [alike * (a @ a.T), alike * (b @ b.T), alike * (a @ b.T)]
        pairs = np.stack(products, dtype=np.float64)
        pairs[2] = (pairs[2] + pairs[2].T) / 2
        of_pairs += np.einsum("imn,jmn->ij", pairs, pairs)
        counted += len(x) * (len(x) - 1)
    all_pairs = of_pairs * n * (n - 1) / max(1, counted)

    def error(slope: np.ndarray) -> float:
        """Standard error of `slope @ sums`."""
        whole = slope @ squares @ slope
        twice = slope @ all_pairs @ slope
        # Two models add each pair. At least half remains, as if all came from pairs.
        return math.sqrt(max(4 * whole - 2 * twice, 2 * whole))

    aa, bb, ab = sums
    of_a, of_b, _ = np.eye(3)
    if aa <= Z_CRITICAL * error(of_a) or bb <= Z_CRITICAL * error(of_b):
        return Agreement(math.nan, math.nan, math.nan, p_value)
    # The cosine ab / sqrt(aa bb), and its derivatives by aa, bb and ab.
    value = float(ab / math.sqrt(aa * bb))
    slope = np.array([-value / 2 / aa, -value / 2 / bb, 1 / math.sqrt(aa * bb)])
    half_width = Z_CRITICAL * error(slope)
    return Agreement(value, value - half_width, value + half_width, p_value)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Dot product of each row of `a` with the same row of `b`, float64."""
    return np.einsum("ij,ij->i", a, b, dtype=np.float64)
