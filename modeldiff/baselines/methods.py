"""The methods by name, and what a user's own must return."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modeldiff.baselines import (
    decision_distances,
    deep_cca,
    features,
    predictions,
    sequence_automata,
    surrogate_trees,
)
from modeldiff.baselines.pool import Pool
from modeldiff.study import components, user_code


@dataclass(frozen=True)
class Measure:
    """A distance between models.

    of: of a pool, the distances between its models, float [models x models], or of each image,
    float [models x models x images], whose mean over images is then the distance. unit: what a
    distance is, in words. models: of either recipe that are compared at most.
    """

    of: Callable[[Pool], np.ndarray]
    unit: str
    models: int = 100


METHODS: dict[str, dict[str, Measure]] = {
    "predictions": {
        "churn": Measure(predictions.churn, "share of images with other predictions"),
        "error consistency": Measure(
            predictions.error_consistency, "1 \N{MINUS SIGN} kappa of being right"
        ),
        "Jensen-Shannon": Measure(predictions.jensen_shannon, "bits between probabilities"),
    },
    "cka": {"CKA": Measure(features.cka, "1 \N{MINUS SIGN} debiased linear CKA of features")},
    "cca": {
        "SVCCA": Measure(features.svcca, "1 \N{MINUS SIGN} mean canonical correlation of features"),
        "PWCCA": Measure(features.pwcca, "1 \N{MINUS SIGN} weighted canonical correlation"),
    },
    "ddv": {
        "decision distances": Measure(
            decision_distances.ddv, "1 \N{MINUS SIGN} cosine of decision distance vectors"
        )
    },
    "jst": {
        "surrogate trees": Measure(
            surrogate_trees.disagreement, "share of images on which joint trees differ"
        )
    },
    "automata": {
        "automata": Measure(
            lambda pool: pool.automata.distances,
            "share of random words on which automata differ",
            sequence_automata.MODELS,
        )
    },
    "dcca": {
        "CCA, held out": Measure(
            deep_cca.linear, "1 \N{MINUS SIGN} correlation on unseen images", deep_cca.MODELS
        ),
        "deep CCA": Measure(deep_cca.deep, "the same, by two networks", deep_cca.MODELS),
        "scaled deep CCA": Measure(
            deep_cca.scaled, "the same, scaled by two more", deep_cca.MODELS
        ),
    },
}


def measures(method: str) -> dict[str, Measure]:
    """The measures of a method by name; a user's own method is one measure, called as its path."""
    if method in METHODS:
        return METHODS[method]
    return {method: Measure(lambda pool: _own(method, pool), "a distance of your own")}


def unit(method: str, measure: str) -> str:
    """What a distance is, in words."""
    return measures(method)[measure].unit


def _own(path: str, pool: Pool) -> np.ndarray:
    """Distances by a function of the user's; UserError if it breaks the contract."""
    with user_code.running(path, "a baseline"):
        distances = components.load(path)(pool)
    n = pool.models
    shapes = ((n, n), (n, n, len(pool.images.labels)))
    wanted = f"a numpy array of floats, {' or '.join(map(_sides, shapes))}, symmetric and finite"
    right = isinstance(distances, np.ndarray) and distances.dtype.kind == "f"
    if not right or distances.shape not in shapes:
        raise user_code.refused(path, "a baseline", distances, wanted)
    if not np.isfinite(distances).all() or not np.allclose(distances, distances.swapaxes(0, 1)):
        came = "returned distances that are not symmetric, or not finite"
        raise user_code.refused(path, "a baseline", came, wanted)
    return distances


def _sides(shape: tuple[int, ...]) -> str:
    return f"[{' x '.join(map(str, shape))}]"
