"""What the page's script reads: charts, directions, influences, images."""

from typing import Any

import numpy as np

from modeldiff.comparison import ends
from modeldiff.dataset import Dataset
from modeldiff.report import charts, images
from modeldiff.report.candidates import proposed
from modeldiff.report.cells import cells, class_names
from modeldiff.report.proofs import Proved
from modeldiff.report.provenance import part
from modeldiff.report.results import Pair, Results, Way
from modeldiff.report.verdict import classes, verdict
from modeldiff.report.words import chance, interval, percent, points, reach

SHOWN = 12  # examples at each end of a direction
INFLUENCES = 6  # training examples of each sign that matter for a test example
MOST = 5000  # images embedded; test examples beyond have no influences listed


def collect(results: Results) -> dict[str, Any]:
    """All of it as JSON values."""
    pairs = [_pair(results, p) for p in range(len(results.pairs))]
    examples = _examples(pairs)
    influences = _influences(results, examples)
    return {
        "charts": _charts(results),
        "pairs": pairs,
        "influences": influences,
        "images": _images(results.data, examples),
        "labels": _labels(results.data, examples),
        "side": max(results.data.test.images.shape[2:]),
    }


def strongest_classes(results: Results, way: Way, i: int) -> str:
    """The classes of a direction's strongest test images, if they tell anything."""
    if way.explained_by_chance(i):
        return "not shown, since chance picks the noisiest"
    return classes(results, way, i, SHOWN)


def _pair(results: Results, p: int) -> dict[str, Any]:
    """Both ways of a pair, then its proposals."""
    pair = results.pairs[p]
    ways = [_way(results, p, way) for way in pair.ways]
    proposals = [_proposal_strips(results, proved) for proved in pair.proofs]
    ways.append({"name": "proposals", "directions": proposals})
    return {"ways": ways}


def _way(results: Results, p: int, way: Way) -> dict[str, Any]:
    """The directions of a way, a line about each, and candidates if any are asked for."""
    pair = results.pairs[p]
    directions = range(len(way.directions))
    entry: dict[str, Any] = {
        "name": charts.way_name(way),
        "directions": [_strips(results, way, i) for i in directions],
        "about": [_about(results, p, way, i) for i in directions],
    }
    if len(pair.candidates):
        entry["candidates"] = _candidates(pair, way)
    return entry


def _strips(results: Results, way: Way, i: int) -> list[list[Any]]:
    """A direction's strips: [split, end, [[example, score], ...]], those of test images first.

    A direction that chance explains has none of test images.
    """
    projections = way.projections[:, i].tolist()
    projection = dict(zip(results.data.targets.tolist(), projections, strict=True))
    strips: list[list[Any]] = []
    if not way.explained_by_chance(i):
        for end, chosen in (("high", way.test_high[i]), ("low", way.test_low[i])):
            strips.append(["test", end, _scored(chosen, projection)])
    for end, chosen in (("high", way.train_high[i]), ("low", way.train_low[i])):
        strips.append(["train", end, _scored(chosen, way.directions[i])])
    return strips


def _proposal_strips(results: Results, proved: Proved) -> list[list[Any]]:
    """A proposal's strips, as those of a direction; training images first."""
    targets = results.data.targets
    examples = proved.proposal.examples
    weight = dict(zip(targets.tolist(), proved.proposal.targets.tolist(), strict=True))
    train_high, train_low = ends(examples, SHOWN)
    test_high, test_low = ends(proved.proposal.targets, SHOWN)
    return [
        ["train", "high", _scored(train_high, examples)],
        ["train", "low", _scored(train_low, examples)],
        ["test", "high", _scored(targets[test_high], weight)],
        ["test", "low", _scored(targets[test_low], weight)],
    ]


def _scored(chosen: np.ndarray, scores: Any) -> list[list[Any]]:
    """The first of the chosen examples, each with its score."""
    return [[int(example), short(scores[int(example)])] for example in chosen[:SHOWN]]


def _about(results: Results, p: int, way: Way, i: int) -> str:
    """A direction in one line."""
    pair = results.pairs[p]
    return (
        f"Reach {reach(way, 'a', i)} under {pair.a}, "
        f"{reach(way, 'b', i)} under {pair.b}; {percent(way.explained[i])} of what "
        f"differs. {chance(way, i)} Strongest test images: {strongest_classes(results, way, i)}."
    )


def _candidates(pair: Pair, way: Way) -> dict[str, Any]:
    """What the library offers for each direction: tables, and how to read them."""
    tables = []
    for i in range(len(way.directions)):
        tables.append([_candidate(row) for row in proposed(pair, way, i)])
    tried = pair.candidates.iloc[0]
    about = (
        f"What of the library moves {way.first} more than {way.second}, in points, over "
        f"{tried['models_a']} and {tried['models_b']} models, on images that directions were found "
        f"on. The intervals hold for all {tried['attempts']} attempts at once; beyond chance is "
        "what leaves out 0. These are ideas: a person decides, and puts one to the test on other "
        "images, at strengths of one's own, under verification: transformations."
    )
    head = ["Candidate, strength", "Towards", pair.a, pair.b, "Difference", "Beyond chance"]
    return {"head": head, "tables": tables, "about": about}


def _candidate(row: dict[str, Any]) -> list[str]:
    """A candidate's row in the table."""
    transformation = part(row["options"] | {"name": row["transformation"]})
    return [
        f"{transformation}, {row['strength']:g}",
        row["class"],
        points(row["effect_a"]),
        points(row["effect_b"]),
        f"{points(row['difference'])} {interval(row)}",
        "yes" if row["apart"] else "no",
    ]


def _examples(pairs: list[dict[str, Any]]) -> dict[str, set[int]]:
    """The examples of each split that directions and proposals show."""
    shown: dict[str, set[int]] = {"test": set(), "train": set()}
    for pair in pairs:
        for way in pair["ways"]:
            for strips in way["directions"]:
                for split, _, examples in strips:
                    shown[split] |= {example for example, _ in examples}
    return shown


def _influences(results: Results, shown: dict[str, set[int]]) -> dict[int, dict[str, Any]]:
    """For shown test examples, the training examples that raise and lower their margin most,
    under each algorithm. Adds what it shows to `shown`, up to `MOST` images.
    """
    row = {int(target): r for r, target in enumerate(results.data.targets)}
    influences: dict[int, dict[str, Any]] = {}
    for name in results.study.compared:
        weights = results.weights(name)
        for example in sorted(shown["test"]):
            if len(shown["test"]) + len(shown["train"]) > MOST:
                break
            of_example = weights[row[example]]
            order = np.argsort(of_example, kind="stable")
            raising = _weighted(order[::-1], of_example)
            lowering = _weighted(order, of_example)
            influences.setdefault(example, {})[name] = [raising, lowering]
            shown["train"] |= {train for train, _ in raising + lowering}
    return influences


def _weighted(order: np.ndarray, weights: np.ndarray) -> list[list[Any]]:
    """The first training examples in this order, each with its weight if it has one."""
    return [[int(e), short(weights[e])] for e in order[:INFLUENCES] if weights[e] != 0]


def _images(data: Dataset, shown: dict[str, set[int]]) -> dict[str, dict[int, str]]:
    """The shown images as data URIs."""
    return images.embed({"test": (data.test, shown["test"]), "train": (data.train, shown["train"])})


def _labels(data: Dataset, shown: dict[str, set[int]]) -> dict[str, dict[int, str]]:
    """The classes of the shown examples."""
    labels: dict[str, dict[int, str]] = {}
    for name, split in (("test", data.test), ("train", data.train)):
        labels[name] = {i: data.classes[split.labels[i]] for i in sorted(shown[name])}
    return labels


def _charts(results: Results) -> dict[str, Any]:
    """Every chart by the name that the template gives it."""
    drawn = {}
    opening = verdict(results)
    if opening.tested:
        pair = results.pairs[opening.pair]
        drawn["opening"] = charts.effect(pair, opening.tested.transformation, "softmax", 190)
    for p, pair in enumerate(results.pairs):
        names = [charts.way_name(way) for way in pair.ways]
        drawn[f"scatter-{p}"] = charts.scatter(pair, names)
        drawn[f"cosines-{p}"] = charts.cosines(pair)
        if pair.class_map is not None:
            found = cells(pair.class_map, results.data.classes)
            classes = class_names(pair.class_map, results.data.classes)
            drawn[f"map-{p}"] = charts.class_map(found, classes)
        for i, proved in enumerate(pair.proofs):
            drawn[f"proof-{p}-{i}"] = charts.proof(proved)
        for t in dict.fromkeys(pair.effects["transformation"]):
            for measure in ("softmax", "argmax"):
                drawn[f"effect-{p}-{t}-{measure}"] = charts.effect(pair, t, measure)
    for name, algorithm in results.algorithms.items():
        drawn[f"lds-{name}"] = charts.lds(algorithm)
        if np.ptp(algorithm.nonzeros):
            drawn[f"sparsity-{name}"] = charts.sparsity(algorithm)
    return drawn


def short(value: float) -> float:
    """Three digits are all that is shown."""
    return float(f"{value:.3g}")
