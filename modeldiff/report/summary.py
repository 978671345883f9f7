"""`summary.json`: what a program reads. Its keys are a contract.

Each direction has its p-value beside it, null where the method tests nothing.

The same study gives the same bytes: no times, no paths. Numbers that do not exist are null.
"""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from modeldiff import __version__, margins
from modeldiff.report import proofs
from modeldiff.report.candidates import proposed
from modeldiff.report.results import AlgorithmResults, Pair, Results, Way

PLANT_RANKS = 2  # a plant counts as found at the first or second direction, fixed in advance


def summarise(results: Results) -> dict[str, Any]:
    """The summary as JSON values."""
    return {
        "study": results.study.name,
        "version": __version__,
        "algorithms": {name: _entry(results, name) for name in results.study.compared},
        "comparisons": [
            {
                "a": pair.a,
                "b": pair.b,
                "way": way.name,
                "directions": _directions(pair, way),
                "agreement": _agreement(pair),
            }
            for pair in results.pairs
            for way in pair.ways
        ],
        "proofs": [proofs.summary(one) for pair in results.pairs for one in pair.proofs],
        "effects": _effects(results.pairs),
        "planted": results.planted and _planted(results, results.planted),
    }


def _entry(results: Results, name: str) -> dict[str, Any]:
    """What is known of an algorithm; of scores from elsewhere only which files they are."""
    if name in results.algorithms:
        return _algorithm(results.algorithms[name])
    return {
        "models": 0,
        "failed": 0,
        "missing": 0,
        "accuracy": dict.fromkeys(("mean", "sd")),
        "lds": dict.fromkeys(("mean", "low", "high", "ceiling", "silent")),
        "scores": results.scores[name],
    }


def _algorithm(algorithm: AlgorithmResults) -> dict[str, Any]:
    fit = algorithm.accuracy[~np.isnan(algorithm.accuracy)]
    lds = algorithm.lds
    return {
        "models": algorithm.models,
        "failed": len(algorithm.failed),
        "missing": sum(c.startswith(margins.MISSING) for c in algorithm.failed.values()),
        "accuracy": {
            "mean": number(fit.mean()) if len(fit) else None,
            "sd": number(fit.std(ddof=1)) if len(fit) > 1 else None,
        },
        "lds": {k: number(getattr(lds, k)) for k in ("mean", "low", "high", "ceiling")}
        | {"silent": lds.n_silent},  # targets whose datamodel predicts nothing
    }


def _agreement(pair: Pair) -> dict[str, Any] | None:
    if pair.agreement is None:
        return None
    numbers = {k: number(v) for k, v in asdict(pair.agreement).items()}
    return numbers | {"differ": pair.agreement.differ}


def _directions(pair: Pair, way: Way) -> list[dict[str, Any]]:
    return [
        {
            "rank": i + 1,
            "variance_a": number(way.variance_a[i]),
            "variance_b": number(way.variance_b[i]),
            "interval_a": [number(x) for x in way.interval_a[i]],
            "interval_b": [number(x) for x in way.interval_b[i]],
            "reach_a": [number(x) for x in way.reach_a[i]],
            "reach_b": [number(x) for x in way.reach_b[i]],
            "train_examples": way.train_high[i].tolist(),
            "test_examples": way.test_high[i].tolist(),
            "p_value": number(way.p_value[i]),
            "significant": bool(way.significant[i]),
            "second_follows": [number(x) for x in way.second_follows[i]],
        }
        | ({"candidates": _candidates(pair, way, i)} if len(pair.candidates) else {})
        for i in range(len(way.directions))
    ]


def _candidates(pair: Pair, way: Way, i: int) -> list[dict[str, Any]]:
    """The intervals [low, high] hold for all `attempts` at once."""
    names = ("transformation", "options", "strength", "class")
    numbers = ("effect_a", "effect_b", "difference", "low", "high")
    return [
        {k: row[k] for k in names}
        | {k: number(row[k]) for k in numbers}
        | {"apart": row["apart"], "attempts": row["attempts"]}
        for row in proposed(pair, way, i)
    ]


def _effects(pairs: tuple[Pair, ...]) -> list[dict[str, Any]]:
    """Mean softmax, the interval over models and images; an algorithm of two pairs stands once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for pair in pairs:
        table = pair.effects
        chosen = table[(table["measure"] == "softmax") & (table["over"] == "both")]
        for row in chosen.to_dict("records"):
            entry = {k: row[k] for k in ("transformation", "strength", "class", "algorithm")}
            entry |= {k: number(row[k]) for k in ("effect", "low", "high")}
            found.setdefault(tuple(entry.values())[:4], entry)
    return list(found.values())


def _planted(results: Results, planted: dict[str, list[int]]) -> dict[str, Any]:
    """Average precision of the planted examples at the better of the first two directions of
    a-minus-b of the first pair: all training examples by coordinate, all targets by projection.
    """
    way = results.pairs[0].ways[0]
    train = np.isin(np.arange(way.directions.shape[1]), planted["train_examples"])
    test = np.isin(results.data.targets, planted["test_examples"])
    scores = [_precision(train, v) for v in way.directions[:PLANT_RANKS]]
    best = int(np.argmax(scores))
    return {
        "train_examples": planted["train_examples"],
        "test_examples": planted["test_examples"],
        "train_ap": number(scores[best]),
        "test_ap": number(_precision(test, way.projections[:, best])),
        "rank": best + 1,
    }


def _precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Average precision; NaN if nothing is positive."""
    return float(average_precision_score(positive, scores)) if positive.any() else math.nan


def number(value: float) -> float | None:
    """A JSON number; JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def text(content: dict[str, Any]) -> bytes:
    """The summary as it stands on disk."""
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
