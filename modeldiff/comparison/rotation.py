"""Rotation of directions within the plane that they span."""

import numpy as np

SWEEPS = 500  # at most; a few dozen are usual
CLOSE = 1e-10  # relative gain at which turning stops


def quartimax(loadings: np.ndarray) -> np.ndarray:
    """The rotation that makes the sum of the fourth powers of `loadings @ rotation` largest.

    loadings: [rows x k]; returns orthogonal float64 [k x k]. Each rotated column then has few large
    entries: the axes single out small groups (Neuhaus & Wrigley 1954; as a contrast, the kurtosis
    of independent component analysis). The search starts from the given axes, so that it is
    deterministic; it finds a nearby maximum, not always the largest.
    """
    rotation = np.eye(loadings.shape[1])
    best = -np.inf
    for _ in range(SWEEPS):
        rotated = loadings @ rotation
        value = float((rotated**4).sum())
        if value <= best * (1 + CLOSE):
            break
        best = value
        u, _, v = np.linalg.svd(loadings.T @ rotated**3)
        rotation = u @ v
    return rotation
