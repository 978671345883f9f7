"""Distances between models by what they predict."""

import numpy as np

from modeldiff.baselines.pool import Pool


def churn(pool: Pool) -> np.ndarray:
    """1 where two models predict different classes, else 0: float32 [models x models x images].

    Its mean over images is what is known as churn, or disagreement.
    """
    predicted = pool.predicted
    return (predicted[:, None] != predicted[None]).astype(np.float32)


def error_consistency(pool: Pool) -> np.ndarray:
    """1 - kappa, of being right or wrong on the same images: float64 [models x models], 0 to 2.

    kappa = (observed - expected) / (1 - expected), of how often both are right or both wrong; what
    is expected follows from the accuracies (Geirhos, Meding & Wichmann 2020, arXiv 2006.16736).
    Two models that are always right, or always wrong, are consistent: 0.
    """
    right = (pool.predicted == pool.images.labels).astype(np.float64)
    images = right.shape[1]
    accuracy = right.mean(1)
    observed = (right @ right.T + (1 - right) @ (1 - right).T) / images
    expected = np.outer(accuracy, accuracy) + np.outer(1 - accuracy, 1 - accuracy)
    room = 1 - expected
    distance = np.zeros_like(room)
    np.divide(1 - observed, room, out=distance, where=room > 0)  # 1 - kappa
    return distance


def jensen_shannon(pool: Pool) -> np.ndarray:
    """The Jensen-Shannon divergence of probabilities, in bits: float32 [models x models x images].

    0 where two models give every class the same probability, 1 where they share none.
    """
    p = pool.probabilities.astype(np.float64)
    models, images, _ = p.shape
    entropies = _entropy(p)
    divergence = np.zeros((models, models, images), np.float32)
    for i in range(models):
        mixed = _entropy((p[i] + p[i + 1 :]) / 2)
        divergence[i, i + 1 :] = (mixed - (entropies[i] + entropies[i + 1 :]) / 2).clip(0)
        divergence[i + 1 :, i] = divergence[i, i + 1 :]
    return divergence


def _entropy(p: np.ndarray) -> np.ndarray:
    """In bits, over the last axis."""
    logarithms = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return -(p * logarithms).sum(-1)
