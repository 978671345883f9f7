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
from modeldiff.comparison import ends
from modeldiff.datamodels import Lds
from modeldiff.proof.step import COLUMNS
from modeldiff.report import baselines_section, marked, mined
from modeldiff.report.candidates import proposed
from modeldiff.report.cells import cells
from modeldiff.report.pairs import Pair, Way
from modeldiff.report.predictions import Predictions
from modeldiff.report.proofs import Proved
from modeldiff.report.results import AlgorithmResults, Results

EXAMPLES = 12  # training images of a proposal
PLANT_RANKS = 2  # a plant counts as found at the first or second direction, fixed in advance


def summarise(results: Results) -> dict[str, Any]:
    """The summary as JSON values."""
    said = {
        "study": results.study.name,
        "version": __version__,
        "algorithms": _algorithms(results),
        "comparisons": _comparisons(results),
        "maps": _maps(results),
        "proofs": _proofs(results.pairs),
        "mined": _mined(results.pairs),
        "baselines": _baselines(results),
        "effects": _effects(results.pairs),
        "planted": results.planted and _planted(results, results.planted),
    }
    if results.unlearning:
        said["unlearning"] = [_left(row) for row in results.unlearning]
    marks = [entry for pair in results.pairs for entry in marked.summary(pair, results.data)]
    if marks:
        said["marks"] = marks
    return said


def _left(row: dict[str, Any]) -> dict[str, Any]:
    """What an algorithm has left of a group that is to be forgotten; of the one before unlearning
    and the one that never saw it only how good they are.
    """
    numbered = {key: number(row[key]) for key in ("left", "low", "high", "p_value", "adjusted")}
    named = {key: row[key] for key in ("algorithm", "role", "method")}
    counts = {"models": row["models"], "failed": row["failed"]}
    return named | numbered | {"accuracy": number(row["accuracy"])} | counts


def _algorithms(results: Results) -> dict[str, dict[str, Any]]:
    """What is known of each algorithm that is compared."""
    entries = {}
    for name in results.study.compared:
        if name in results.algorithms:
            entries[name] = _algorithm(results.algorithms[name])
        else:
            entries[name] = _given(results.scores[name])
        entries[name]["full_data"] = _full_data(results.predictions.get(name))
    return entries


def _full_data(predictions: Predictions | None) -> dict[str, Any] | None:
    """How good models trained on all images are; None where they were not shown test images."""
    if predictions is None or predictions.predicted is None:
        return None
    return {"models": predictions.models, "accuracy": _accuracy(predictions.accuracy)}


def _algorithm(algorithm: AlgorithmResults) -> dict[str, Any]:
    """An algorithm that datamodels are fitted to."""
    missing = 0
    for cause in algorithm.failed.values():
        if cause.startswith(margins.MISSING):
            missing += 1
    return {
        "models": algorithm.models,
        "failed": len(algorithm.failed),
        "missing": missing,
        "accuracy": _accuracy(algorithm.accuracy),
        "lds": _lds(algorithm.lds),
    }


def _accuracy(of_models: np.ndarray) -> dict[str, float | None]:
    """Mean and standard deviation over the models that did not fail."""
    known = of_models[~np.isnan(of_models)]
    return {
        "mean": number(known.mean()) if len(known) else None,
        "sd": number(known.std(ddof=1)) if len(known) > 1 else None,
    }


def _lds(lds: Lds) -> dict[str, Any]:
    """How well datamodels predict."""
    return {
        "mean": number(lds.mean),
        "low": number(lds.low),
        "high": number(lds.high),
        "ceiling": number(lds.ceiling),
        "silent": lds.n_silent,  # targets whose datamodel predicts nothing
    }


def _given(files: dict[str, str]) -> dict[str, Any]:
    """An algorithm whose scores come from elsewhere: only the files are known."""
    return {
        "models": 0,
        "failed": 0,
        "missing": 0,
        "accuracy": dict.fromkeys(("mean", "sd")),
        "lds": dict.fromkeys(("mean", "low", "high", "ceiling", "silent")),
        "scores": files,
    }


def _comparisons(results: Results) -> list[dict[str, Any]]:
    """Each pair, both ways; exchanges: how many random ones p-values were found by."""
    comparisons = []
    for pair in results.pairs:
        for way in pair.ways:
            comparison = {
                "a": pair.a,
                "b": pair.b,
                "way": way.name,
                "directions": _directions(pair, way),
                "agreement": _agreement(pair),
                "exchanges": len(pair.chance.exchanged) if pair.chance else None,
            }
            comparisons.append(comparison)
    return comparisons


def _directions(pair: Pair, way: Way) -> list[dict[str, Any]]:
    """Each direction of a way, with its candidates if any are asked for."""
    directions = []
    for i in range(len(way.directions)):
        direction = {
            "rank": i + 1,
            "variance_a": number(way.variance_a[i]),
            "variance_b": number(way.variance_b[i]),
            "interval_a": numbers(way.interval_a[i]),
            "interval_b": numbers(way.interval_b[i]),
            "reach_a": numbers(way.reach_a[i]),
            "reach_b": numbers(way.reach_b[i]),
            "train_examples": way.train_high[i].tolist(),
            "test_examples": way.test_high[i].tolist(),
            "p_value": number(way.p_value[i]),
            "significant": bool(way.significant[i]),
            "tested": way.tested(i),
            "second_follows": numbers(way.second_follows[i]),
        }
        if len(pair.candidates):
            direction["candidates"] = _candidates(pair, way, i)
        directions.append(direction)
    return directions


def _candidates(pair: Pair, way: Way, i: int) -> list[dict[str, Any]]:
    """Candidates for direction `i`; [low, high] holds for all `attempts` at once."""
    candidates = []
    for row in proposed(pair, way, i):
        candidate = {
            "transformation": row["transformation"],
            "options": row["options"],
            "strength": row["strength"],
            "class": row["class"],
            "effect_a": number(row["effect_a"]),
            "effect_b": number(row["effect_b"]),
            "difference": number(row["difference"]),
            "low": number(row["low"]),
            "high": number(row["high"]),
            "apart": row["apart"],
            "attempts": row["attempts"],
        }
        candidates.append(candidate)
    return candidates


def _agreement(pair: Pair) -> dict[str, Any] | None:
    """How alike the two algorithms are; None where it was not tested."""
    if pair.agreement is None:
        return None
    entry: dict[str, Any] = {}
    for name, value in asdict(pair.agreement).items():
        entry[name] = number(value)
    entry["differ"] = pair.agreement.differ
    return entry


def _maps(results: Results) -> list[dict[str, Any]]:
    """Where each tested pair differs: its cells, those with the largest share first."""
    entries = []
    for pair in results.pairs:
        if pair.class_map is None:
            continue
        of_pair = []
        for cell in cells(pair.class_map, results.data.classes):
            entry = {
                "test_class": cell.test,
                "train_class": cell.train,
                "share": number(cell.share),
                "low": number(cell.low),
                "high": number(cell.high),
                "agreement": number(cell.agreement),
                "p_value": number(cell.p_value),
                "significant": cell.significant,
            }
            of_pair.append(entry)
        entries.append({"a": pair.a, "b": pair.b, "cells": of_pair})
    return entries


def _proofs(pairs: tuple[Pair, ...]) -> list[dict[str, Any]]:
    """What retraining says of each proposal."""
    entries = []
    for pair in pairs:
        entries += [_proof(proved) for proved in pair.proofs]
    return entries


def _proof(proved: Proved) -> dict[str, Any]:
    """A proposal: the columns of proof.csv, the training images that it weighs most, and the rows
    of leaving those out.
    """
    entry = _proof_row(proved.row)
    strongest, _ = ends(proved.proposal.examples, EXAMPLES)
    names = {"a_name": proved.a, "b_name": proved.b}
    removal = [_proof_row(row) for row in proved.removals]
    return entry | names | {"train_examples": strongest.tolist(), "removal": removal}


def _proof_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of proof.csv as JSON."""
    entry: dict[str, Any] = {}
    for name in COLUMNS:
        value = row[name]
        entry[name] = number(value) if isinstance(value, float) else value
    for name in ("needed", "left_out"):
        if entry[name] is not None:
            entry[name] = int(entry[name])
    return entry


def _mined(pairs: tuple[Pair, ...]) -> list[dict[str, Any]]:
    """The features behind proved differences."""
    entries = []
    for pair in pairs:
        entries += [mined.summary(one, pair.a, pair.b) for one in pair.mined]
    return entries


def _baselines(results: Results) -> list[dict[str, Any]]:
    """What other ways see of each pair: the columns of baselines.csv, and the images that each
    names; met: precision and recall of these against the test images of what is proved or found.
    rules: of surrogate trees, the rows of rules.csv. words: of automata, those on which the
    recipes differ, with how many models of either accept each.
    """
    entries = []
    for pair in results.pairs:
        wanted = baselines_section.reference(results, pair)
        if pair.baselines is None:
            continue
        for one in pair.baselines.measured:
            entry: dict[str, Any] = {"a": pair.a, "b": pair.b}
            for name, value in one.row.items():
                entry[name] = number(value) if isinstance(value, float) else value
            named = one.named
            entry["test_examples"] = None if named is None else named.tolist()
            entry["met"] = None
            if wanted and named is not None:
                entry["met"] = asdict(baselines_section.met(named, wanted.images))
            if one.row["method"] == "jst":
                entry["rules"] = list(pair.baselines.rules)
            if one.row["method"] == "automata":
                entry["words"] = baselines_section.words(results.data, pair.baselines)
            entries.append(entry)
    return entries


def _effects(pairs: tuple[Pair, ...]) -> list[dict[str, Any]]:
    """Mean softmax, the interval over models and images; an algorithm of two pairs stands once."""
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    for pair in pairs:
        table = pair.effects
        chosen = table[(table["measure"] == "softmax") & (table["over"] == "both")]
        for row in chosen.to_dict("records"):
            condition = {
                "transformation": row["transformation"],
                "strength": row["strength"],
                "class": row["class"],
                "algorithm": row["algorithm"],
            }
            effect = {
                "effect": number(row["effect"]),
                "low": number(row["low"]),
                "high": number(row["high"]),
            }
            entries.setdefault(tuple(condition.values()), condition | effect)
    return list(entries.values())


def _planted(results: Results, planted: dict[str, list[int]]) -> dict[str, Any]:
    """Average precision of the planted examples at the better of the first two directions of
    a-minus-b of the first pair: all training examples by coordinate, all targets by projection.
    """
    way = results.pairs[0].ways[0]
    train = np.isin(np.arange(way.directions.shape[1]), planted["train_examples"])
    test = np.isin(results.data.targets, planted["test_examples"])
    of_directions = [_precision(train, v) for v in way.directions[:PLANT_RANKS]]
    best = int(np.argmax(of_directions))
    return {
        "train_examples": planted["train_examples"],
        "test_examples": planted["test_examples"],
        "train_ap": number(of_directions[best]),
        "test_ap": number(_precision(test, way.projections[:, best])),
        "rank": best + 1,
    }


def _precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Average precision; NaN if nothing is positive."""
    return float(average_precision_score(positive, scores)) if positive.any() else math.nan


def number(value: float) -> float | None:
    """A JSON number; JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def numbers(values: np.ndarray) -> list[float | None]:
    """The same of several, e.g. an interval's two ends."""
    return [number(value) for value in values]


def text(content: dict[str, Any]) -> bytes:
    """The summary as it stands on disk."""
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
