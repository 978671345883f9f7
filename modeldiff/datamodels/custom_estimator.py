"""An estimator of the user's own, named by import path.

`function(masks, margins) -> (weights, intercept)`: masks bool [models x examples], margins float32
[models x targets], of the models to fit on, all margins finite; weights [targets x examples] in
units of the mask and intercept [targets], so that `masks @ weights.T + intercept` predicts margins.
"""

from typing import Any

import numpy as np

from modeldiff.core.errors import described
from modeldiff.datamodels.gram import finished
from modeldiff.datamodels.model import Datamodels
from modeldiff.study import components, user_code


def fit(
    masks: Any, margins: np.ndarray, estimator: str, targets: np.ndarray, tolerance: float
) -> Datamodels:
    """Fit with the function at the import path `estimator`, on the models that did not fail.

    Memory: what the function takes, and masks (1 byte each) and margins unpacked.
    Raises UserError for a result other than described above.
    """
    used = finished(margins, 0, len(margins))
    finished_masks = np.array(masks[:])[used]
    finished_margins = np.array(margins[used][:, targets], np.float32)
    function = components.load(estimator)
    of = f"of {len(finished_masks)} models"
    with user_code.running(estimator, of):
        returned = function(finished_masks, finished_margins)
    shapes = (len(targets), masks.shape[1]), (len(targets),)
    wanted = (
        f"weights {list(shapes[0])} [targets x examples] and an intercept {list(shapes[1])}, finite"
    )
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise user_code.refused(estimator, of, returned, wanted)
    try:
        weights, intercept = returned
        weights = np.asarray(weights, np.float64)
        intercept = np.asarray(intercept, np.float64)
    except Exception:  # anything but an array may fail in any way
        came = f"returned {' and '.join(map(described, returned))}"
        raise user_code.refused(estimator, of, came, wanted) from None
    if (weights.shape, intercept.shape) != shapes:
        came = f"returned shapes {list(weights.shape)} and {list(intercept.shape)}"
        raise user_code.refused(estimator, of, came, wanted)
    if not (np.isfinite(weights).all() and np.isfinite(intercept).all()):
        raise user_code.refused(estimator, of, "returned infinite values or NaN", wanted)
    zeros = np.zeros(len(targets))
    no_path = np.empty((len(targets), 0))
    return Datamodels(
        weights=weights.astype(np.float32),
        intercept=intercept,
        lambdas=zeros,
        gap=zeros,
        estimator=estimator,
        tolerance=tolerance,
        n_models=int(used.sum()),
        n_failed=int((~used).sum()),
        path=no_path,
        path_gap=no_path.astype(np.float32),
    )
