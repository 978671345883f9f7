"""The methods by name, and what a user's own must return."""

from collections.abc import Callable

import numpy as np

from modeldiff.baselines import decision_distances, features, predictions
from modeldiff.baselines.pool import Pool
from modeldiff.study import components, user_code

# Of a pool: distances between its models, float [models x models], or of each image, float
# [models x models x images], whose mean over images is then the distance.
Measure = Callable[[Pool], np.ndarray]

MEASURES: dict[str, dict[str, Measure]] = {
    "predictions": {
        "churn": predictions.churn,
        "error consistency": predictions.error_consistency,
        "Jensen-Shannon": predictions.jensen_shannon,
    },
    "cka": {"CKA": features.cka},
    "cca": {"SVCCA": features.svcca, "PWCCA": features.pwcca},
    "ddv": {"decision distances": decision_distances.ddv},
}
UNITS = {  # what a distance of each measure is
    "churn": "share of images with other predictions",
    "error consistency": "1 \N{MINUS SIGN} kappa of being right",
    "Jensen-Shannon": "bits between probabilities",
    "CKA": "1 \N{MINUS SIGN} CKA of features",
    "SVCCA": "1 \N{MINUS SIGN} mean canonical correlation of features",
    "PWCCA": "1 \N{MINUS SIGN} weighted canonical correlation of features",
    "decision distances": "1 \N{MINUS SIGN} cosine of decision distance vectors",
}


def measures(method: str) -> dict[str, Measure]:
    """The measures of a method by name; a user's own method is one measure, called as its path."""
    if method in MEASURES:
        return MEASURES[method]
    return {method: lambda pool: _own(method, pool)}


def _own(path: str, pool: Pool) -> np.ndarray:
    """Distances by a function of the user's; UserError if it breaks the contract."""
    with user_code.running(path, "a baseline"):
        distances = components.load(path)(pool)
    n = pool.models
    wanted = f"a numpy array of floats, [{n} x {n}] or [{n} x {n} x {len(pool.images.labels)}]"
    right = isinstance(distances, np.ndarray) and distances.dtype.kind == "f"
    shapes = ((n, n), (n, n, len(pool.images.labels)))
    if not right or distances.shape not in shapes:
        raise user_code.refused(path, "a baseline", distances, f"{wanted}, symmetric and finite")
    if not np.isfinite(distances).all() or not np.allclose(distances, distances.swapaxes(0, 1)):
        came = "returned distances that are not symmetric, or not finite"
        raise user_code.refused(path, "a baseline", came, wanted)
    return distances


def known_as(measure: str) -> str:
    """What a distance of the measure is, in words."""
    return UNITS.get(measure, "a distance of your own")
