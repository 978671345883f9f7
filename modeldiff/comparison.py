"""What sets two algorithms apart: residual datamodels and their principal components.

Source: ModelDiff (Shah et al., ICML 2023), section 3, as in the authors' notebooks: what
algorithm B's datamodel of a test example explains of A's is projected out, row by row; the
principal components of what remains are the distinguishing training directions of A minus B.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

from modeldiff import files
from modeldiff.errors import UserError

if TYPE_CHECKING:
    from modeldiff.study import Study

ROWS = ("unit", "raw", "root")
WAYS = ("a-minus-b", "b-minus-a")


@dataclass(frozen=True)
class Comparison:
    """Distinguishing directions of A minus B, strongest first.

    directions: float64 [directions x n_train], unit norm; the sign makes the third moment of
        the projections >= 0, so that a small, extreme group of examples is at the positive end.
    projections: float64 [n_targets x directions], of the centred residuals.
    explained: float64 [directions], share of the residuals' variance.
    variance_a, variance_b: float64 [directions], variance of each algorithm's datamodels, scaled
        to unit rows, along the direction (1 would be all of an uncentred row's squared norm).
    """

    directions: np.ndarray
    projections: np.ndarray
    explained: np.ndarray
    variance_a: np.ndarray
    variance_b: np.ndarray


def compare(
    weights_a: np.ndarray,
    weights_b: np.ndarray,
    *,
    directions: int,
    rows: str = "unit",
    method: str = "residual",
) -> Comparison:
    """Compare the datamodels of two algorithms on the same targets and training examples.

    weights_a, weights_b: [n_targets x n_train], finite, any float type.
    rows: scaling before residuals are taken: "unit" norm (the paper's notebooks), "raw" (the
        published package), "root" (divided by the root of the norm). Zero rows stay zero.
    method: "residual".
    Raises UserError for shapes that differ, values that are not finite, too many directions, or
    weights whose residuals are all equal.
    Memory: a few times the two arrays as float64, and min(n_targets, n_train) squared.
    """
    a, b = _checked(weights_a, "weights_a"), _checked(weights_b, "weights_b")
    if a.shape != b.shape:
        raise UserError(f"weights_a {a.shape} and weights_b {b.shape}: must have one shape")
    if rows not in ROWS or method != "residual":
        raise UserError(f"rows {rows!r}, method {method!r}: must be one of {ROWS}, 'residual'")
    most = min(a.shape[0] - 1, a.shape[1])
    if not 1 <= directions <= most:
        raise UserError(f"directions: {directions} of weights {a.shape}; must be 1 to {most}")
    residuals = residual(scale(a, rows), scale(b, rows))
    residuals -= residuals.mean(0)
    total = float((residuals**2).sum())
    if total == 0:
        raise UserError("weights_a: nothing is left of them once weights_b are projected out")
    found = _principal_axes(residuals, directions)
    projections = residuals @ found.T
    signs = np.where((projections**3).sum(0) < 0, -1.0, 1.0)
    found, projections = found * signs[:, None], projections * signs
    return Comparison(
        directions=found,
        projections=projections,
        explained=(projections**2).sum(0) / total,
        variance_a=variance_along(a, found),
        variance_b=variance_along(b, found),
    )


def scale(weights: np.ndarray, rows: str) -> np.ndarray:
    """Rows divided by their norm ("unit"), by its root ("root"), or left ("raw")."""
    if rows == "raw":
        return weights
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    norms[norms == 0] = 1
    return weights / (norms if rows == "unit" else np.sqrt(norms))


def residual(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Each row of `a` less its projection on the same row of `b`; zero rows of `b` take nothing."""
    squares = (b * b).sum(1)
    share = (a * b).sum(1) / np.where(squares == 0, 1, squares)
    return a - share[:, None] * b


def variance_along(weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Variance of the rows, at unit norm, along each direction: float64 [directions]."""
    along: np.ndarray = (scale(weights, "unit") @ directions.T).var(0)
    return along


def _principal_axes(centred: np.ndarray, k: int) -> np.ndarray:
    """Top right singular vectors [k x columns], by the smaller of the two Gram matrices."""
    n, p = centred.shape
    gram = centred @ centred.T if n <= p else centred.T @ centred
    size = len(gram)
    _, vectors = eigh(gram, subset_by_index=(size - k, size - 1))
    axes = vectors.T[::-1]
    if n <= p:
        axes = axes @ centred
    # Directions without variance are arbitrary: QR keeps them finite, orthogonal and the same.
    q, r = np.linalg.qr(axes.T)
    return q.T * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]


def _checked(weights: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(weights, np.float64)
    if array.ndim != 2:
        raise UserError(f"{name}: has shape {array.shape}; must be [n_targets x n_train]")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(1))
        raise UserError(f"{name}: {len(bad)} rows are not finite, the first is row {bad[0]}")
    return array


def ends(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the `k` highest and the `k` lowest scores, the most extreme first."""
    order = np.argsort(scores, kind="stable")
    return order[::-1][:k], order[:k]


def write(
    study: "Study",
    pair: tuple[str, str],
    weights: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    output: str | Path,
) -> None:
    """Compare a pair both ways and write directions and subpopulations.

    weights: of the pair's two algorithms, [n_targets x n_train]; targets: test example of each row.
    output: .npz with, for each way ("a-minus-b", "b-minus-a"), `<way>.<field of Comparison>`
    (variances always by algorithm: `variance_a` is a's) and the examples at both ends of each
    direction, int64 [directions x examples], most extreme first: `train_high`, `train_low`,
    `test_high`, `test_low` (indices of training and test examples).
    """
    config = study.config["comparison"]
    arrays: dict[str, np.ndarray] = {}
    for way in WAYS:
        first, second = weights if way == WAYS[0] else weights[::-1]
        found = compare(first, second, directions=config["directions"], rows=config["rows"])
        mine, other = found.variance_a, found.variance_b
        if way != WAYS[0]:
            mine, other = other, mine
        test = [ends(scores, config["examples"]) for scores in found.projections.T]
        train = [ends(scores, config["examples"]) for scores in found.directions]
        fields = {
            "directions": found.directions.astype(np.float32),
            "projections": found.projections.astype(np.float32),
            "explained": found.explained,
            "variance_a": mine,
            "variance_b": other,
            "train_high": np.stack([high for high, _ in train]),
            "train_low": np.stack([low for _, low in train]),
            "test_high": targets[np.stack([high for high, _ in test])],
            "test_low": targets[np.stack([low for _, low in test])],
        }
        arrays |= {f"{way}.{name}": array for name, array in fields.items()}
    with files.artefact(output, study.key("comparison", *pair)) as file:
        files.write_arrays(file, arrays)
