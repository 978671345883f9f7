"""How sure the variances along a direction are: a grouped jackknife over models."""

import numpy as np

from modeldiff.comparison.paired import Paired, Ridge

GROUPS = 20  # of models, each left out in turn


def variances(
    models: Paired, ridge: Ridge, weights: tuple[np.ndarray, np.ndarray], directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variances of both algorithms' datamodels along directions, less noise, and their errors.

    weights: of A and of B, [n_targets x n_train], as `ridge` fits them; directions: [k x n_train],
    which must not have been found on the models of `ridge`. Returns two float64 [2 x k]: variances
    of rows scaled to the norm that they have, and their standard errors.

    A group of models is left out to first order (Efron & Tibshirani 1993, chapter 11; residuals
    scaled as in MacKinnon & White 1985, HC2, all models taken to have the same leverage): what
    noise adds to a square is its curvature over groups, which is taken off.
    Memory: GROUPS x n_targets x k, twice.
    """
    loads = ridge.inverse @ directions.T.astype(np.float32)
    loads /= ridge.models * np.sqrt(1 - ridge.leverage)
    group = (np.cumsum(ridge.chosen) - 1) % GROUPS
    moved = np.zeros((2, GROUPS, models.n_targets, len(directions)), np.float32)
    for rows, x in ridge.centred_masks(2 * models.n_targets):
        z, own = x @ loads, group[rows][ridge.chosen[rows]]
        centred = models.centred(rows, ridge.chosen)
        for total, y, fitted in zip(moved, centred, weights, strict=True):
            rest = y - x @ fitted.T
            for g in range(GROUPS):
                total[g] += rest[own == g].T @ z[own == g]
    estimates, errors = [], []
    for total, fitted in zip(moved, weights, strict=True):
        total -= total.mean(0)  # which is not 0: the penalty's pull
        norms = np.linalg.norm(fitted, axis=1, keepdims=True)
        norms[norms == 0] = 1
        along = np.float64(fitted) @ directions.T / norms
        whole = along.var(0)
        without = np.stack([(along - one / norms).var(0) for one in total])
        mean = without.mean(0)
        estimates.append(whole - (GROUPS - 1) * (mean - whole))
        errors.append(np.sqrt((GROUPS - 1) / GROUPS * ((without - mean) ** 2).sum(0)))
    return np.stack(estimates), np.stack(errors)
