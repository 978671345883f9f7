"""The contrast: what differs between two algorithms' datamodels, tested against no difference.

Both algorithms are trained on the same subsets, so their difference D = A - cB is one ridge
regression of the paired differences of margins on the masks. Its singular vectors are the
distinguishing directions. Projecting B out of A row by row, as the published method does, leaves
some of what both share wherever B is noisy (regression dilution); a difference leaves none of it.
c is 1, but where a difference in scale alone explains most of what differs.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from modeldiff.comparison import significance
from modeldiff.comparison.found import Comparison, ends, oriented
from modeldiff.comparison.paired import Paired, Ridge
from modeldiff.comparison.residual import lean, principal_axes, variance_along
from modeldiff.errors import UserError


def contrast(
    masks: Any,
    margins_a: np.ndarray,
    margins_b: np.ndarray,
    *,
    directions: int,
    penalty: float = 1.0,
    flips: int = 199,
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
    flips: random exchanges of A and B that the null is made of; p-values are no smaller than
        1 / (flips + 1).
    seed: of the flips. examples: strongest training examples that `overlap` is counted on.

    The p-values are those of `significance.sign_flips`. A direction can only be as sure as the
    margins' noise allows, so weak or redundant differences may go unfound.
    Memory: n_train^2 and n_targets x n_train, a few of each, whatever the number of models.
    Raises UserError for shapes that do not match, too few models, or nothing that differs.
    """
    models = Paired.of(masks, margins_a, margins_b)
    most = min(models.n_targets, models.n_train, significance.RANK)
    if not 1 <= directions <= most:
        raise UserError(f"directions: {directions}; must be 1 to {most}")
    halves = [Ridge(masks, chosen, penalty).weights(models) for chosen in models.halves()]
    models = replace(models, scale=coefficient(halves))
    ridge = Ridge(masks, models.used, penalty)
    a, b = ridge.weights(models)
    difference = np.float64(a) - models.scale * b
    if not difference.any():
        raise UserError("margins_a: do not differ from margins_b in any model")
    basis = significance.basis(models, seed)
    seen = basis.T @ difference
    found = principal_axes(seen, directions)
    singular = np.linalg.norm(seen @ found.T, axis=0)
    p_value, null_edge = significance.sign_flips(models, ridge, basis, found, singular, flips, seed)
    found, projections = oriented(found, difference @ found.T)
    stability, overlap = agreement(
        found,
        [principal_axes(basis.T @ (x - models.scale * y), directions) for x, y in halves],
        examples,
    )
    return Comparison(
        directions=found,
        projections=projections,
        explained=singular**2 / (difference**2).sum(),
        variance_a=variance_along(a, found),
        variance_b=variance_along(b, found),
        lean=lean(a, models.scale * b, found),
        singular_values=singular,
        p_value=p_value,
        null_edge=null_edge,
        stability=stability,
        overlap=overlap,
    )


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


def agreement(
    found: np.ndarray, halves: list[np.ndarray], examples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stability and overlap of each direction (see `Comparison`), float64 [directions].

    found: [directions x n_train]; halves: the same of each half of the models. A direction of a
    half stands for the direction of all models that it is closest to.
    """
    stability, overlap = np.empty(len(found)), np.empty(len(found))
    for k, v in enumerate(found):
        near = []
        for half in halves:
            cosines = half @ v
            best = int(np.argmax(np.abs(cosines)))
            near.append(half[best] * (1 if cosines[best] >= 0 else -1))
        stability[k] = abs(near[0] @ near[1])
        first, second = (set(ends(v, examples)[0].tolist()) for v in near)
        overlap[k] = len(first & second) / len(first)
    return stability, overlap
