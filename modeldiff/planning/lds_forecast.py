"""How many models a wanted LDS needs, from the models that a study has so far.

LDS(n) = limit * r(n), where r is the correlation between what n models teach and what infinitely
many would. With fewer models, predictions carry the noise of their margins and confuse examples
that the masks do not tell apart. For ridge regression on random masks, r is known except for one
number: the noise of a margin in units of what one example changes (`expected`). That number and the
limit are found by least squares, from datamodels fitted on a quarter of the available models, on
half of them and on all. All quarters and both halves are fitted, and their scores averaged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from modeldiff.core import student
from modeldiff.datamodels import fit
from modeldiff.datamodels.evaluation import spearman
from modeldiff.jobs import finished_models
from modeldiff.study import Study, stages

PARTS = (4, 2, 1)  # disjoint sets of models: quarters, halves, all
FEWEST = 30  # models in the smallest part
GROUPS = 20  # of evaluation subsets that the jackknife leaves out in turn


@dataclass(frozen=True)
class Growth:
    """LDS by number of models, and what it is expected to become.

    models: int [parts], models fitted on; lds: float [parts], their mean score over targets.
    limit, noise: of the formula. left_out: float [groups x 2], the same without each group.
    n_train, penalty: training examples, and the penalty as in `expected`.
    """

    models: np.ndarray
    lds: np.ndarray
    limit: float
    noise: float
    left_out: np.ndarray
    n_train: int
    penalty: float

    def needed(self, wanted: float) -> dict[str, Any]:
        """Models to fit on for an LDS of `wanted`, with a 95% interval; infinite if out of reach.

        The interval is a jackknife over evaluation subsets with Student's t, of log(models). It
        does not cover the random choice of the models. None if it is unbounded.
        """
        best = _needed(self.limit, self.noise, self.n_train, self.penalty, wanted)
        others = np.empty(len(self.left_out))
        for i, (limit, noise) in enumerate(self.left_out):
            others[i] = _needed(limit, noise, self.n_train, self.penalty, wanted)
        if not np.isfinite([best, *others]).all():
            return {
                "models": round(best) if np.isfinite(best) else None,
                "low": None,
                "high": None,
            }
        logs = np.log(np.maximum(others, 1))
        error = np.sqrt((len(logs) - 1) * np.var(logs))
        half = float(student.ppf(0.975, len(logs) - 1)) * error
        low, high = best * np.exp([-half, half])
        return {"models": round(best), "low": round(low), "high": round(high)}


def of(
    masks: Any, rows: np.ndarray, truth_masks: np.ndarray, truth: np.ndarray, **how: Any
) -> Growth:
    """Fit on growing numbers of models and see how the score grows.

    masks, rows: of the models to fit on, as for `fit`; their order must not be one of quality.
    truth_masks, truth: bool [subsets x examples], and the mean margins of the models trained on
    each, float [subsets x targets]. how: arguments of `fit`, the estimator among them.
    """
    group = np.arange(len(truth)) % min(GROUPS, len(truth))
    kept = [np.ones(len(truth), bool), *(group != g for g in np.unique(group))]
    models = []
    scores = []
    for parts in PARTS:
        size = len(rows) // parts
        of_parts = np.empty((parts, len(kept)))
        for i in range(parts):
            block = slice(i * size, (i + 1) * size)
            datamodels = fit(finished_models.Rows(masks, block), rows[block], **how)
            predicted = datamodels.predict(truth_masks)
            for j, k in enumerate(kept):
                of_parts[i, j] = spearman(predicted[k], truth[k]).mean()
        models.append(size)
        scores.append(of_parts.mean(axis=0))
    curves = np.array(scores).T  # [all, then one group left out in turn] x parts
    # The lasso, whose curve is not known, is taken to follow that of `difference`.
    penalty = {"ridge": how.get("penalty", 0.1), "ols": 0.0}.get(how["estimator"], np.inf)
    n_train = masks.shape[1]
    sizes = np.array(models)
    limit, noise = _fitted(sizes, curves[0], n_train, penalty)
    left_out = np.array([_fitted(sizes, curve, n_train, penalty) for curve in curves[1:]])
    return Growth(sizes, curves[0], limit, noise, left_out, n_train, penalty)


def expected(models: Any, noise: float, n_train: int, penalty: float) -> np.ndarray:
    """Correlation of ridge datamodels' predictions with the noiseless margins, if those are linear.

    noise: variance of a margin's noise over the mean square of a weight on standardised columns.
    penalty: on standardised columns; infinite for `difference`, 0 for `ols`.
    Weights are taken to be independent of the masks' sample covariance, whose eigenvalues follow
    the law of Marchenko and Pastur (Dobriban & Wager 2018, arXiv 1507.03003).
    """
    n = np.asarray(models, float)
    ratio = n_train / n
    if np.isinf(penalty):
        return (1 + ratio + noise / n) ** -0.5
    p = max(penalty, 1e-6)
    # Its Stieltjes transform at -p: the mean of 1 / (s + p) over eigenvalues s; then of its square.
    root = np.sqrt((1 - ratio + p) ** 2 + 4 * ratio * p)
    m = (root - (1 - ratio + p)) / (2 * ratio * p)
    square = (m * (1 + ratio * m)) / root
    kept = 1 - p * m
    shrunk = 1 - 2 * p * m + p**2 * square
    return kept / np.sqrt(shrunk + noise / n * (m - p * square))


def _fitted(
    models: np.ndarray, lds: np.ndarray, n_train: int, penalty: float
) -> tuple[float, float]:
    """Limit (at most 1) and noise by least squares."""

    def errors(x: np.ndarray) -> np.ndarray:
        return x[0] * expected(models, np.exp(x[1]), n_train, penalty) - lds

    start = [min(max(lds[-1], 0.01) * 1.2, 0.99), np.log(n_train)]
    limit, log_noise = least_squares(errors, start, bounds=([0, -np.inf], [1, np.inf])).x
    return float(limit), float(np.exp(log_noise))


def _needed(limit: float, noise: float, n_train: int, penalty: float, wanted: float) -> float:
    """The fewest models of the formula, infinite if none are enough."""
    tried = np.geomspace(10, 1e9, 20_000)
    enough = limit * expected(tried, noise, n_train, penalty) >= wanted
    return float(tried[enough.argmax()]) if enough.any() else float("inf")


def read(study: Study, name: str) -> Growth | None:
    """The growth of an algorithm's LDS, from its finished shards; None if they are too few."""
    made = finished_models.read(study, name)
    if made is None:
        return None
    held = int((made.models < study.evaluation_models).sum())
    if len(made.models) - held < FEWEST * PARTS[0] or held < study.evaluation_models:
        return None
    subsets = range(study.evaluation_subsets)
    truth = np.array([_mean(made.margins[made.subset == s]) for s in subsets])
    known = np.isfinite(truth).all(1)
    return of(
        finished_models.Rows(made.masks, made.subset[held:]),
        made.margins[held:],
        made.masks[: study.evaluation_subsets][known],
        truth[known],
        **study.regression,
    )


def _mean(rows: np.ndarray) -> np.ndarray:
    """Mean margins of the models that did not fail; NaN if all did."""
    fit_rows = rows[np.isfinite(rows).all(1)]
    mean: np.ndarray = fit_rows.mean(0) if len(fit_rows) else np.full(rows.shape[1], np.nan)
    return mean


def forecast(study: Study, wanted: float) -> dict[str, Any]:
    """For each algorithm with datamodels, what is known of its LDS and the models it needs."""
    forecasts: dict[str, Any] = {}
    for name in study.fitted:
        growth = read(study, name)
        forecasts[name] = growth and {
            "lds": dict(zip(growth.models.tolist(), growth.lds.tolist(), strict=True)),
            "limit": growth.limit if np.isfinite(growth.limit) else None,
            **growth.needed(wanted),
        }
    return forecasts


def lines(study: Study, wanted: float, forecasts: dict[str, Any]) -> Iterator[str]:
    """The forecast for people. Evaluation models come on top, since nothing is fitted on them."""
    least = study.evaluation_models + FEWEST * PARTS[0]
    if study.datamodels.prior:
        yield "  without the prior, with which fewer models may be enough:"
    for name, known in forecasts.items():
        if known is None:
            yield (
                f"  {name}: how many models an LDS of {wanted:g} needs can be told once {least:,} "
                f"are trained: set `subsets: {{models: {least}}}`, run snakemake "
                f"{study.folder}/{stages.path('margins', name)}, ask again; they remain part of "
                "the study"
            )
            continue
        curve = ", ".join(f"{lds:.3f} from {models:,}" for models, lds in known["lds"].items())
        if known["models"] is None:
            yield f"  {name}: LDS {curve} models: {wanted:g} is out of reach, or not known yet"
            continue
        span = "no interval yet"
        if known["low"] is not None:
            span = f"{known['low']:,} to {known['high']:,}"
        yield (
            f"  {name}: LDS {curve} models, at most {known['limit']:.3f}; {wanted:g} needs about "
            f"{known['models']:,} models ({span}) and {study.evaluation_models:,} to evaluate on"
        )
