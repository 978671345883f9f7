"""Principal axes of a matrix, and their signs."""

import numpy as np
from scipy.linalg import eigh


def principal_axes(rows: np.ndarray, k: int) -> np.ndarray:
    """Top right singular vectors [k x columns], by the smaller of the two Gram matrices."""
    n, p = rows.shape
    gram = rows @ rows.T if n <= p else rows.T @ rows
    size = len(gram)
    _, vectors = eigh(gram, subset_by_index=(size - k, size - 1))
    axes = vectors.T[::-1]
    if n <= p:
        axes = axes @ rows
    # Directions without variance are arbitrary: QR keeps them finite, orthogonal and the same.
    q, r = np.linalg.qr(axes.T)
    return q.T * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]


def oriented(directions: np.ndarray, projections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, with signs that make the third moment of each direction's projections >= 0."""
    signs = np.where((projections**3).sum(0) < 0, -1.0, 1.0)
    return directions * signs[:, None], projections * signs
