"""The published method: residual datamodels and their principal components.

Source: ModelDiff (Shah et al., ICML 2023), section 3, as in the authors' notebooks: what
algorithm B's datamodel of a test example explains of A's is projected out, row by row; the
principal components of what remains are the distinguishing training directions of A minus B.
"""

import numpy as np

from modeldiff.comparison.result import Comparison
from modeldiff.core import arguments
from modeldiff.core.axes import oriented, principal_axes
from modeldiff.core.errors import UserError

LARGEST = 1e150
ROWS = ("unit", "raw")


def compare(
    weights_a: np.ndarray,
    weights_b: np.ndarray,
    *,
    directions: int,
    rows: str = "unit",
) -> Comparison:
    """Compare the datamodels of two algorithms on the same targets and training examples.

    weights_a, weights_b: [n_targets x n_train], finite, any float type.
    rows: scaling before residuals are taken: "unit" norm (the paper's notebooks), or "raw" (the
        published package). Zero rows stay zero.
    Raises UserError for shapes that differ, values that are not finite, too many directions, or
    weights whose residuals are all equal.
    Memory: a few times the two arrays as float64, and min(n_targets, n_train) squared.
    """
    a = _checked(weights_a, "weights_a")
    b = _checked(weights_b, "weights_b")
    if a.shape != b.shape:
        raise UserError(f"weights_a {a.shape} and weights_b {b.shape}: must have one shape")
    arguments.one_of("rows", rows, ROWS)
    most = min(a.shape[0] - 1, a.shape[1])
    if most < 1:
        raise UserError(f"weights_a: are of {a.shape[0]} target; must be of 2 or more")
    arguments.whole("directions", directions, 1, most)
    scaled_a = scale(a, rows)
    scaled_b = scale(b, rows)
    residuals = residual(scaled_a, scaled_b)
    residuals -= residuals.mean(0)
    total = float((residuals**2).sum())
    if total == 0:
        raise UserError("weights_a: nothing is left of them once weights_b are projected out")
    axes = principal_axes(residuals, directions)
    axes, projections = oriented(axes, residuals @ axes.T)
    squares = (projections**2).sum(0)
    unknown = np.full(directions, np.nan)
    return Comparison(
        directions=axes,
        projections=projections,
        explained=squares / total,
        variance_a=variance_along(a, axes),
        variance_b=variance_along(b, axes),
        interval_a=np.tile(unknown[:, None], 2),
        interval_b=np.tile(unknown[:, None], 2),
        reach_a=reach(scaled_a, axes),
        reach_b=reach(scaled_b, axes),
        b_follows=np.tile(unknown[:, None], 3),
        a_follows=np.tile(unknown[:, None], 3),
        asymmetry=asymmetry(scaled_a, scaled_b, axes),
        singular_values=np.sqrt(squares),
        p_value=unknown,
        critical_value=unknown,
        stability=unknown,
        overlap=unknown,
        agreement=None,
        chance=None,
        class_map=None,
    )


def scale(weights: np.ndarray, rows: str) -> np.ndarray:
    """Rows divided by their norm ("unit"), or left ("raw"); weights: float [rows x examples]."""
    weights = arguments.matrix("weights", weights, "rows x examples")
    arguments.one_of("rows", rows, ROWS)
    if rows == "raw":
        return weights
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    norms[norms == 0] = 1
    return weights / norms


def residual(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Each row of `a` less its projection on the same row of `b`; zero rows remove nothing.

    a, b: float [rows x examples]. Raises UserError for shapes that differ, or what is not finite.
    """
    a = arguments.matrix("a", a, "rows x examples")
    b = arguments.matrix("b", b, "rows x examples")
    if a.shape != b.shape:
        raise UserError(f"a {a.shape} and b {b.shape}: must have one shape")
    squares = (b * b).sum(1)
    share = (a * b).sum(1) / np.where(squares == 0, 1, squares)
    return a - share[:, None] * b


def variance_along(weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Variance of the rows, at unit norm, along each direction: float64 [directions].

    weights: float [rows x examples]; directions: float [directions x examples].
    """
    directions = arguments.matrix("directions", directions, "directions x examples")
    weights = arguments.matrix("weights", weights, "rows x examples")
    if weights.shape[1] != directions.shape[1]:
        shapes = f"weights {weights.shape} and directions {directions.shape}"
        raise UserError(f"{shapes}: must be of the same training examples")
    along: np.ndarray = (scale(weights, "unit") @ directions.T).var(0)
    return along


def reach(weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Root mean square over rows along each direction, its interval unknown: [directions x 3]."""
    unknown = np.full(len(directions), np.nan)
    return np.stack([np.sqrt(np.square(weights @ directions.T).mean(0)), unknown, unknown], 1)


def asymmetry(a: np.ndarray, b: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Whose each direction is (see `Comparison`), float64 [directions]; 0 if neither's."""
    mine = np.square(a @ directions.T, dtype=np.float64).sum(0)
    other = np.square(b @ directions.T, dtype=np.float64).sum(0)
    total = mine + other
    return np.divide(mine - other, total, out=np.zeros_like(total), where=total > 0)


def _checked(weights: np.ndarray, name: str) -> np.ndarray:
    array = arguments.matrix(name, weights, "n_targets x n_train")
    if np.abs(array).max(initial=0.0) > LARGEST:
        raise UserError(f"{name}: holds numbers beyond {LARGEST:g}, whose squares overflow")
    return array
