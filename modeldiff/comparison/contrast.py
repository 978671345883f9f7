"""The contrast: what differs between two algorithms' datamodels, tested against no difference.

Both algorithms are trained on the same subsets, so their difference D = A - cB is one ridge
regression of the paired differences of margins on the masks. Its singular vectors are the
distinguishing directions. Projecting B out of A row by row, as the published method does, leaves
some of what both share wherever B is noisy (regression dilution); a difference leaves none of it.
c is 1 unless a difference in scale alone explains most of what differs. Directions that stand out
from noise are known jointly, as a plane, but not individually: within the plane they are rotated
until each moves few test examples strongly.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from modeldiff.comparison import significance
from modeldiff.comparison.agreement import agreement
from modeldiff.comparison.class_map import Groups, class_map
from modeldiff.comparison.jackknife import GROUPS, Along, ratios
from modeldiff.comparison.paired_ridge import Paired, Ridge
from modeldiff.comparison.residual import asymmetry
from modeldiff.comparison.result import DIRECTION_LEVEL, Comparison, ends
from modeldiff.comparison.rotation import quartimax
from modeldiff.core import arguments, student
from modeldiff.core.axes import oriented, principal_axes
from modeldiff.core.errors import UserError, described

FREEDOM = 2 * (GROUPS - 1)  # degrees of freedom of what is measured on both halves
T_CRITICAL = student.ppf(0.975, FREEDOM)  # of a 95% interval, in standard errors


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
    classes: tuple[np.ndarray, np.ndarray] | None = None,
    groups: Groups | None = None,
) -> Comparison:
    """Compare two algorithms by their models' margins; row m of both was trained on mask m.

    masks: bool [models x n_train], an array or anything with `.shape` that gives a bool array when
        sliced by rows (`modeldiff.subsets.Masks`).
    margins_a, margins_b: float [models x n_targets], usually memory-mapped. A model that
        failed under either algorithm (a margin that is not finite) is left out.
    penalty: of the ridge regression, on standardised columns. Larger than the one that predicts
        margins best, because differences are weak compared with the noise.
    permutations: number of random exchanges of A and B that make the null distribution; p-values
        are at least 1 / (permutations + 1).
    seed: of the permutations. examples: strongest training examples that `overlap` is counted on.
    classes: int64 [n_targets] and [n_train], for `Comparison.class_map`; without, there is none.
    groups: by name, bool [n_targets] and [n_train], which belong to it, for the same map.

    The p-values are those of `significance.sign_flips`. How certain a direction can be is limited
    by the noise of the margins, so weak or redundant differences may be missed.
    Memory: n_train^2 and n_targets x n_train, a few of each, whatever the number of models.
    Raises UserError for shapes that do not match, too few models, or nothing that differs.
    """
    models = Paired.of(masks, margins_a, margins_b)
    most = min(models.n_targets, models.n_train, significance.RANK)
    arguments.whole("directions", directions, 1, most)
    arguments.whole("permutations", permutations, 1)
    arguments.whole("seed", seed, 0)
    arguments.whole("examples", examples, 1)
    arguments.above_0("penalty", penalty)
    if classes is not None:
        _check_classes(classes, models)
        _check_groups(groups or {}, models)
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
    by_class = None
    if classes is not None:
        by_class = class_map(ridge, models, *classes, groups or {}, permutations, seed)
    p_value = tested.p_value
    p_any = tested.p_any
    chance = tested.chance
    if models.scale != 1:
        # The factor is an estimate. If noise made it, what both share remains in the difference.
        # So a direction must stand out without the factor as well.
        unscaled = replace(models, scale=1.0)
        plain_basis = significance.basis(unscaled, seed)
        plain = np.float64(a) - b
        plain_axes = principal_axes(plain_basis.T @ plain, directions)
        again = significance.flip_test(
            ridge, unscaled, plain_basis, plain, plain_axes, permutations, seed
        )
        if again.p_value[0] > p_value[0]:
            chance = again.chance
        p_value = np.maximum(p_value, again.p_value)
        p_any = max(p_any, again.p_any)
    together = int((p_value <= DIRECTION_LEVEL).sum())
    axes, projections = oriented(*rotated(axes, difference @ axes.T, together))
    singular = np.linalg.norm(projections, axis=0)
    first = Half.of(models, halves[0], basis, axes, together)
    second = Half.of(models, halves[1], basis, axes, together)
    # Along the directions of each half, the other half's datamodels.
    along_first = Along.of(models, ridges[1], halves[1], first.directions)
    along_second = Along.of(models, ridges[0], halves[0], second.directions)
    variance = both_halves(along_first.variances(), along_second.variances())
    squares = both_halves(along_first.mean_squares(), along_second.mean_squares())
    reach = np.sqrt(squares)
    extent_1, covariance_1 = along_first.extents(first.projections)
    extent_2, covariance_2 = along_second.extents(second.projections)
    extent = np.sum([extent_1, extent_2], 0)
    covariance = np.sum([covariance_1, covariance_2], 0)
    return Comparison(
        directions=axes,
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
        asymmetry=asymmetry(a, models.scale * b, axes),
        singular_values=singular,
        p_value=p_value,
        critical_value=tested.critical_value,
        stability=np.abs((first.directions * second.directions).sum(1)),
        overlap=overlap(first.directions, second.directions, examples),
        agreement=agreement(ridge, models, covariances, p_any),
        chance=chance,
        class_map=by_class,
    )


def _check_classes(classes: Any, models: Paired) -> None:
    """UserError unless these are the classes of the targets and of the training examples."""
    wanted = f"int [{models.n_targets}] and [{models.n_train}], of targets and training examples"
    if not isinstance(classes, tuple | list) or len(classes) != 2:
        raise UserError(f"classes: is {described(classes)}; must be a pair, {wanted}")
    for given, n in zip(classes, (models.n_targets, models.n_train), strict=True):
        shape = getattr(given, "shape", ())
        if shape != (n,) or given.dtype.kind not in "iu" or given.min() < 0:
            raise UserError(f"classes: hold {described(given)}; must be {wanted}, 0 or more")


def _check_groups(groups: Groups, models: Paired) -> None:
    """UserError unless these are groups of targets and of training examples."""
    wanted = f"bool [{models.n_targets}] and [{models.n_train}], of targets and training examples"
    for name, members in groups.items():
        for given, n in zip(members, (models.n_targets, models.n_train), strict=True):
            if getattr(given, "shape", ()) != (n,) or given.dtype != np.bool_:
                what = f"{name} holds {described(given)}"
                raise UserError(f"groups: {what}; must hold {wanted}")


class Half(NamedTuple):
    """What one half of the models finds.

    directions: [k x n_train], each the closest one to a direction of all models; projections:
    [n_targets x k], of the half's own difference on them.
    """

    directions: np.ndarray
    projections: np.ndarray

    @classmethod
    def of(
        cls,
        models: Paired,
        weights: tuple[np.ndarray, np.ndarray],
        basis: np.ndarray,
        directions: np.ndarray,
        together: int,
    ) -> "Half":
        """weights: of A and of B, fitted on the half; directions, together: of all models."""
        a, b = weights
        difference = np.float64(a) - models.scale * b
        axes = principal_axes(basis.T @ difference, len(directions))
        axes, _ = rotated(axes, difference @ axes.T, together)
        closest = nearest(directions, axes)
        return cls(closest, difference @ closest.T)


Estimate = tuple[np.ndarray, np.ndarray]  # and its standard error, [2 x k] each


def both_halves(first: Estimate, second: Estimate) -> np.ndarray:
    """The mean of what was measured on each half of the models, with its 95% interval.

    What is measured is 0 or more, and so are the numbers returned: float64 [2 x k x 3].
    """
    value_1, error_1 = first
    value_2, error_2 = second
    mean = np.mean([value_1, value_2], 0)
    half_width = T_CRITICAL * np.linalg.norm([error_1, error_2], axis=0) / 2
    return np.maximum(np.stack([mean, mean - half_width, mean + half_width], 2), 0)


def rotated(
    directions: np.ndarray, projections: np.ndarray, together: int
) -> tuple[np.ndarray, np.ndarray]:
    """Directions and projections, the first `together` rotated in their plane, strongest first.

    directions: orthonormal [directions x n_train]; projections: [n_targets x directions].
    """
    turn = np.eye(len(directions))
    rotation = quartimax(projections[:, :together])
    strongest = np.argsort(-np.linalg.norm(projections[:, :together] @ rotation, axis=0))
    turn[:together, :together] = rotation[:, strongest]
    return turn.T @ directions, projections @ turn


def coefficient(halves: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """How much larger A's weights are than B's, if that is most of what differs; else 1.

    halves: weights (a, b) [n_targets x n_train] of two disjoint sets of models. The product of a
    row of one half with the same row of the other has no noise in its mean; a squared norm has. The
    factor is the median over targets of the ratio of norms, so that a few targets decide nothing
    and that B over A says the same as A over B. Algorithms that differ in other ways have no
    meaningful factor, and their margins are taken as they are.
    """
    (a1, b1), (a2, b2) = halves
    squares_a = (a1 * a2).sum(1)
    squares_b = (b1 * b2).sum(1)
    products = ((a1 * b2).sum(1) + (a2 * b1).sum(1)) / 2
    known = (squares_a > 0) & (squares_b > 0)
    if not known.any():
        return 1.0
    factor = float(np.sqrt(np.median(squares_a[known] / squares_b[known])))
    # |a - factor b|^2 / factor, which is the same with A and B exchanged, against |a - b|^2.
    left = squares_a / factor - 2 * products + factor * squares_b
    whole = squares_a - 2 * products + squares_b
    return factor if left.sum() < whole.sum() / 2 else 1.0


def nearest(directions: np.ndarray, half: np.ndarray) -> np.ndarray:
    """For each direction, the closest one of a half of the models, with the same sign."""
    cosines = directions @ half.T
    best = np.abs(cosines).argmax(1)
    signs = np.where(cosines[np.arange(len(directions)), best] < 0, -1.0, 1.0)
    nearby: np.ndarray = half[best] * signs[:, None]
    return nearby


def overlap(first: np.ndarray, second: np.ndarray, examples: int) -> np.ndarray:
    """Share of each direction's strongest `examples` that both have: float64 [directions]."""
    shares = np.empty(len(first))
    for i in range(len(first)):
        in_first, _ = ends(first[i], examples)
        in_second, _ = ends(second[i], examples)
        shares[i] = len(np.intersect1d(in_first, in_second)) / len(in_first)
    return shares
