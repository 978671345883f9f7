"""Whether a study will be large enough to see a difference, from the models trained so far."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from modeldiff.comparison.contrast import contrast
from modeldiff.comparison.power import Power, of_models
from modeldiff.jobs import finished_models
from modeldiff.study import Study

FEWEST = 120  # models of both algorithms that a forecast is made from
MOST = 2000
PERMUTATIONS = 19


def forecast(study: Study) -> dict[str, Any]:
    """For each pair the `Power` that its comparison will have; None if too few are trained."""
    forecasts: dict[str, Any] = {}
    for a, b in study.pairs:
        power = _power(study, a, b)
        forecasts[f"{a} vs {b}"] = power and asdict(power)
    return forecasts


def _power(study: Study, *pair: str) -> Power | None:
    one = finished_models.read(study, pair[0])
    other = finished_models.read(study, pair[1])
    if one is None or other is None:
        return None
    both = np.intersect1d(one.models, other.models)
    both = both[both >= study.evaluation_models][:MOST]  # those before are never compared
    if len(both) < FEWEST:
        return None
    in_one = np.searchsorted(one.models, both)
    in_other = np.searchsorted(other.models, both)
    a = one.margins[in_one]
    b = other.margins[in_other]
    masks = finished_models.Rows(one.masks, one.subset[in_one])
    penalty = study.comparison.penalty
    null = contrast(
        masks, a, b, directions=1, penalty=penalty, permutations=PERMUTATIONS, seed=study.seed
    )
    planned = study.models - study.evaluation_models
    return of_models(masks, a, b, float(null.critical_value[0]), penalty, planned)


def lines(study: Study, forecasts: dict[str, Any]) -> Iterator[str]:
    """The forecast for people."""
    least = study.evaluation_models + FEWEST
    for pair, power in forecasts.items():
        if power is None:
            if least <= study.models:
                yield f"  {pair}: power can be forecast once {least:,} models of both are trained"
            else:
                yield (
                    f"  {pair}: power can be forecast for studies of {least:,} or more models, "
                    f"not for {study.models:,}"
                )
            continue
        yield (
            f"  {pair}: with {study.models:,} models, {power['group']:,} training images almost "
            f"always stand out if they move the margins of {power['moved']:,} test images by "
            f"{power['smallest']:.2g} more under one algorithm; a typical margin is "
            f"{power['typical']:.2g}, for which {power['needed']:,} models suffice"
        )
