"""The contrast: what differs between two algorithms' datamodels, tested against no difference.

Both algorithms are trained on the same subsets, so their difference D = A - cB is one ridge
regression of the paired differences of margins on the masks. Its singular vectors are the
distinguishing directions. Projecting B out of A row by row, as the published method does, leaves
some of what both share wherever B is noisy (regression dilution); a difference leaves none of it.
c is 1, but where a difference in scale alone explains most of what differs. Directions that stand
out from noise together are known as a plane, not each by itself: within it they are rotated until
each moves few test examples, and those strongly.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import t

from modeldiff.comparison import significance
from modeldiff.comparison.agreement import agreement
from modeldiff.comparison.jackknife import GROUPS, Along, ratios
from modeldiff.comparison.paired_ridge import Paired, Ridge
from modeldiff.comparison.residual import asymmetry, principal_axes
from modeldiff.comparison.result import DIRECTION_LEVEL, Comparison, ends, oriented
from modeldiff.comparison.rotation import quartimax
from modeldiff.core.errors import UserError

FREEDOM = 2 * (GROUPS - 1)  # degrees of freedom of what is measured on both halves
T_CRITICAL = t.ppf(0.975, FREEDOM)  # of a 95% interval, in standard errors


def contrast(
    masks: Any,
    margins_a: np.ndarray,
    margins_b: np.ndarray,
    *,
    directions: int,
    penalty: float = 2.0,
    permutations: int = 99,
    seed: int = 0,
    examples: int = 20,
) -> Comparison:
    """Compare two algorithms by their models' margins; row m of both was trained on mask m.

    masks: bool [models x n_train], an array or anything with `.shape` that gives a bool array when
        sliced by rows (`modeldiff.subsets.Masks`).
    margins_a, margins_b: float [models x n_targets], usually memory-mapped. Models of which one
        of the two failed (a margin that is not finite) are left out.
    penalty: of the ridge regression, on standardised columns. More than predicts margins best:
        what differs is weak against the noise.
    permutations: random exchanges of A and B that the null is made of; p-values are no smaller than
        1 / (permutations + 1).
    seed: of the permutations. examples: strongest training examples that `overlap` is counted on.

    The p-values are those of `significance.sign_flips`. A direction can only be as sure as the
    margins' noise allows, so weak or redundant differences may go unfound.
    Memory: n_train^2 and n_targets x n_train, a few of each, whatever the number of models.
    Raises UserError for shapes that do not match, too few models, or nothing that differs.
    """
    models = Paired.of(masks, margins_a, margins_b)
    most = min(models.n_targets, models.n_train, significance.RANK)
    if not 1 <= directions <= most:
        raise UserError(f"directions: {directions}; must be 1 to {most}")
    ridges = [Ridge(masks, chosen, penalty) for chosen in models.halves()]
    halves = [ridge.weights(ridge.covariances(models)) for ridge in ridges]
    models = replace(models, scale=coefficient(halves))
    ridge = Ridge(masks, models.used, penalty)
    covariances = ridge.covariances(models)
    a, b = ridge.weights(covariances)
    difference = np.float64(a) - models.scale * b
    if not difference.any():
        raise UserError("margins_a: do not differ from margins_b in any model")
    basis = significance.basis(models, seed)
    axes = principal_axes(basis.T @ difference, directions)
    tested = significance.flip_test(ridge, models, basis, difference, axes, permutations, seed)
    p_value, p_any = tested.p_value, tested.p_any
    if models.scale != 1:
        # The factor is an estimate: where noise made it, what both share is left in the
        # difference. So nothing counts that does not stand out without the factor as well.
        unscaled = replace(models, scale=1.0)
        plain_basis = significance.basis(unscaled, seed)
        plain = np.float64(a) - b
        plain_axes = principal_axes(plain_basis.T @ plain, directions)
        again = significance.flip_test(
            ridge, unscaled, plain_basis, plain, plain_axes, permutations, seed
        )
        p_value = np.maximum(p_value, again.p_value)
        p_any = max(p_any, again.p_any)
    together = int((p_value <= DIRECTION_LEVEL).sum())
    found, projections = oriented(*rotated(axes, difference @ axes.T, together))
    singular = np.linalg.norm(projections, axis=0)
    differences = [np.float64(own_a) - models.scale * own_b for own_a, own_b in halves]
    twice = []
    for half in differences:
        axes = principal_axes(basis.T @ half, directions)
        twice.append(nearest(found, rotated(axes, half @ axes.T, together)[0]))
    # Along the directions of each half, the other half's datamodels.
    cross_fitted = [
        Along.of(models, ridges[1], halves[1], twice[0]),
        Along.of(models, ridges[0], halves[0], twice[1]),
    ]
    variance = both_halves([along.variances() for along in cross_fitted])
    reach = np.sqrt(both_halves([along.mean_squares() for along in cross_fitted]))
    extents = [
        along.extents(half @ own.T)
        for along, half, own in zip(cross_fitted, differences, twice, strict=True)
    ]
    extent = np.sum([values for values, _ in extents], 0)
    covariance = np.sum([values for _, values in extents], 0)
    return Comparison(
        directions=found,
        projections=projections,
        explained=singular**2 / (difference**2).sum(),
        variance_a=variance[0, :, 0],
        variance_b=variance[1, :, 0],
        interval_a=variance[0, :, 1:],
        interval_b=variance[1, :, 1:],
        reach_a=reach[0],
        reach_b=models.scale * reach[1],
        b_follows=ratios(extent, covariance, FREEDOM),
        a_follows=ratios(extent[::-1], covariance[:, ::-1, ::-1], FREEDOM),
        asymmetry=asymmetry(a, models.scale * b, found),
        singular_values=singular,
        p_value=p_value,
        critical_value=tested.critical_value,
        stability=np.abs((twice[0] * twice[1]).sum(1)),
        overlap=overlap(twice[0], twice[1], examples),
        agreement=agreement(ridge, models, covariances, p_any),
    )


def both_halves(measured: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The mean of what was measured on each half of the models, with its 95% interval.

    measured: estimates and standard errors, [2 x k] each, of what is 0 or more, and so are the
    numbers returned: float64 [2 x k x 3].
    """
    mean = np.mean([estimate for estimate, _ in measured], 0)
    half_width = T_CRITICAL * np.linalg.norm([error for _, error in measured], axis=0) / 2
    return np.maximum(np.stack([mean, mean - half_width, mean + half_width], 2), 0)


def rotated(
    directions: np.ndarray, projections: np.ndarray, together: int
) -> tuple[np.ndarray, np.ndarray]:
    """Directions and projections, the first `together` rotated within their plane, strongest first.

    directions: orthonormal [directions x n_train]; projections: [n_targets x directions].
    """
    turn = np.eye(len(directions))
    rotation = quartimax(projections[:, :together])
    strongest = np.argsort(-np.linalg.norm(projections[:, :together] @ rotation, axis=0))
    turn[:together, :together] = rotation[:, strongest]
    return turn.T @ directions, projections @ turn


def coefficient(halves: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """How much larger A's weights are than B's, if that is most of what differs; else 1.

    halves: weights (a, b) [n_targets x n_train] of two sets of models without a model in common:
    the product of a row of one half with the same row of the other has no noise in its mean, a
    squared norm has. The factor is the median over targets of the ratio of norms: few targets
    should decide nothing, and B over A should say the same as A over B. Algorithms that differ
    otherwise have no factor of their own to be compared by: then margins are taken as they are.
    """
    (a1, b1), (a2, b2) = halves
    squares_a, squares_b = (a1 * a2).sum(1), (b1 * b2).sum(1)
    products = ((a1 * b2).sum(1) + (a2 * b1).sum(1)) / 2
    known = (squares_a > 0) & (squares_b > 0)
    if not known.any():
        return 1.0
    factor = float(np.sqrt(np.median(squares_a[known] / squares_b[known])))
    left = squares_a / factor - 2 * products + factor * squares_b
    whole = squares_a - 2 * products + squares_b
    return factor if left.sum() < whole.sum() / 2 else 1.0


def nearest(found: np.ndarray, half: np.ndarray) -> np.ndarray:
    """For each direction, that of a half of the models which is closest, with the same sign."""
    cosines = found @ half.T
    best = np.abs(cosines).argmax(1)
    signs = np.where(cosines[np.arange(len(found)), best] < 0, -1.0, 1.0)
    nearby: np.ndarray = half[best] * signs[:, None]
    return nearby


def overlap(first: np.ndarray, second: np.ndarray, examples: int) -> np.ndarray:
    """Share of the strongest `examples` that each direction has in both, float64 [directions]."""
    strongest = (
        (set(ends(v, examples)[0]) for v in pair) for pair in zip(first, second, strict=True)
    )
    return np.array([len(one & other) / len(one) for one, other in strongest])
