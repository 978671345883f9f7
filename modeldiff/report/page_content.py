"""What the page's script reads: charts, directions, influences, images."""

from typing import Any

import numpy as np

from modeldiff import occlusion
from modeldiff.comparison import ends
from modeldiff.dataset import Dataset
from modeldiff.proof import Proposal
from modeldiff.report import charts, histograms, map_chart, marked, predictions
from modeldiff.report.candidates import proposed
from modeldiff.report.cells import cells, class_names
from modeldiff.report.pairs import Pair, Way
from modeldiff.report.predictions import OfClass, Predictions
from modeldiff.report.provenance import part
from modeldiff.report.rendering import Renderer
from modeldiff.report.results import Results
from modeldiff.report.verdict import classes, verdict
from modeldiff.report.words import chance, interval, percent, points, reach

SHOWN = occlusion.SHOWN  # examples at each end of a direction
DISAGREED = 24  # test images that two algorithms disagree on
INFLUENCES = 6  # training examples of each sign that matter for a test example
MOST = 5000  # images embedded; test examples beyond have no influences listed
Strip = dict[str, Any]  # examples of one split, most extreme first: [[example, score], ...]


def collect(results: Results) -> dict[str, Any]:
    """All of it as JSON values."""
    pairs = [_pair(results, pair) for pair in results.pairs]
    shown = examples(pairs)
    influences = _influences(results, shown)
    content = of_examples(results.data, results.predictions, shown)
    return content | {
        "charts": _charts(results),
        "pairs": pairs,
        "influences": influences,
        "planted": _planted(results),
    }


def of_examples(
    data: Dataset, known: dict[str, Predictions], shown: dict[str, set[int]]
) -> dict[str, Any]:
    """What is shown of examples: images, classes, predictions of the test images."""
    return {
        "images": Renderer(data).all(shown),
        "labels": _labels(data, shown),
        "votes": _votes(known, data.classes, shown["test"]),
        "side": max(data.test.images.shape[2:], default=0),
    }


def exchanges(results: Results) -> int | None:
    """Random exchanges that p-values were found by; None where nothing was tested."""
    comparison = results.study.config["comparison"]
    return comparison["permutations"] if comparison["method"] == "contrast" else None


def _pair(results: Results, pair: Pair) -> dict[str, Any]:
    """Both ways of a pair, its proposals, and the test images that they disagree on."""
    return {
        "algorithms": [pair.a, pair.b],
        "ways": [_way(results, pair, way) for way in pair.ways],
        "proposals": [proposal_strips(results.data, proved.proposal) for proved in pair.proofs],
        "marked": marked.rendered(pair, results.data),
        "disagreement": [
            disagreement_strips(disagreement(results, pair), _planted(results)["test"])
        ],
    }


def disagreement_strips(beyond: np.ndarray, planted: list[int]) -> list[Strip]:
    """Test images that two disagree on most: of all, and of those with nothing planted."""
    strips = []
    for chosen in (beyond, beyond[~np.isin(beyond, planted)]):
        examples = [[example, None] for example in chosen[:DISAGREED].tolist()]
        strips.append({"split": "test", "end": "high", "examples": examples, "others": []})
    return strips


def disagreement(results: Results, pair: Pair) -> np.ndarray:
    """Test images that one of a pair gets right more often than chance gives; see `disagreed`."""
    known = results.predictions
    if pair.a not in known or pair.b not in known:
        return np.zeros(0, np.int64)
    return predictions.disagreed(known[pair.a], known[pair.b])


def _way(results: Results, pair: Pair, way: Way) -> dict[str, Any]:
    """The directions of a way, a line about each, and candidates if any are asked for."""
    directions = range(len(way.directions))
    entry: dict[str, Any] = {
        "name": charts.way_name(way),
        "directions": [direction_strips(results.data, way, i) for i in directions],
        "about": [_about(results, pair, way, i) for i in directions],
    }
    if len(pair.candidates):
        entry["candidates"] = _candidates(pair, way)
    return entry


def direction_strips(data: Dataset, way: Way, i: int) -> list[Strip]:
    """A direction's strips; none of one that chance explains, whose images say nothing."""
    if way.explained_by_chance(i):
        return []
    every = np.arange(len(data.train.labels))
    train = dict(zip(every.tolist(), way.directions[i].tolist(), strict=True))
    test = dict(zip(data.targets.tolist(), way.projections[:, i].tolist(), strict=True))
    return [
        _strip(data, "train", "high", way.train_high[i], train),
        _strip(data, "test", "high", way.test_high[i], test),
        _strip(data, "train", "low", way.train_low[i], train),
        _strip(data, "test", "low", way.test_low[i], test),
    ]


def proposal_strips(data: Dataset, proposal: Proposal) -> list[Strip]:
    """A proposal's strips, as those of a direction."""
    train = dict(enumerate(proposal.examples.tolist()))
    test = dict(zip(data.targets.tolist(), proposal.targets.tolist(), strict=True))
    train_high, train_low = ends(proposal.examples, SHOWN)
    test_high, test_low = ends(proposal.targets, SHOWN)
    return [
        _strip(data, "train", "high", train_high, train),
        _strip(data, "test", "high", data.targets[test_high], test),
        _strip(data, "train", "low", train_low, train),
        _strip(data, "test", "low", data.targets[test_low], test),
    ]


def _strip(
    data: Dataset, split: str, end: str, chosen: np.ndarray, scores: dict[int, float]
) -> Strip:
    """The first of the chosen examples, and others of the same classes that score next to 0."""
    first = chosen[:SHOWN].tolist()
    labels = (data.test if split == "test" else data.train).labels
    others = alike(first, scores, labels) if end == "high" else []
    return {
        "split": split,
        "end": end,
        "examples": [[example, short(scores[example])] for example in first],
        "others": [[example, None] for example in others],
    }


def alike(chosen: list[int], scores: dict[int, float], labels: np.ndarray) -> list[int]:
    """For each of the chosen examples another of its class, those with scores closest to 0."""
    weakest = sorted(scores, key=lambda example: abs(scores[example]))
    taken = set(chosen)
    others = []
    for example in chosen:
        for other in weakest:
            if labels[other] == labels[example] and other not in taken:
                others.append(other)
                taken.add(other)
                break
    return others


def _about(results: Results, pair: Pair, way: Way, i: int) -> str:
    """A direction in a few sentences."""
    in_words = results.data.kind.said
    tested = in_words(chance(way, i, exchanges(results)))
    said = f"Reach {reach(way, 'a', i)} under {pair.a} and {reach(way, 'b', i)} under {pair.b}. "
    if way.explained_by_chance(i):
        noise = in_words("Its images would be those of noise, so none are shown.")
        return f"{said}{tested} {noise}"
    strongest = classes(results, way, i, SHOWN)
    share = percent(way.explained[i])
    return (
        f"{said}{share} of what differs. {tested} {in_words('Strongest test images')}: {strongest}."
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


def examples(pairs: list[dict[str, Any]]) -> dict[str, set[int]]:
    """The examples of each split that the strips of pairs show."""
    shown: dict[str, set[int]] = {"test": set(), "train": set()}
    for pair in pairs:
        every = pair["proposals"] + pair["disagreement"]
        for way in pair["ways"]:
            every += way["directions"]
        for strips in every:
            for strip in strips:
                both = strip["examples"] + strip["others"]
                shown[strip["split"]] |= {example for example, _ in both}
    return shown


def _influences(results: Results, shown: dict[str, set[int]]) -> dict[int, dict[str, Any]]:
    """For shown test examples, the training examples that raise and lower their margin most,
    under each algorithm. Adds what it shows to `shown`, up to `MOST` images.
    """
    row = {int(target): r for r, target in enumerate(results.data.targets)}
    influences: dict[int, dict[str, Any]] = {}
    for name in results.study.compared:
        weights = results.weights(name)
        for example in sorted(shown["test"] & row.keys()):
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


def _labels(data: Dataset, shown: dict[str, set[int]]) -> dict[str, dict[int, str]]:
    """The classes of the shown examples."""
    labels: dict[str, dict[int, str]] = {}
    for name, split in (("test", data.test), ("train", data.train)):
        labels[name] = {i: data.classes[split.labels[i]] for i in sorted(shown[name])}
    return labels


def _votes(
    known: dict[str, Predictions], classes: tuple[str, ...], shown: set[int]
) -> dict[int, dict[str, dict[str, str]]]:
    """What each algorithm predicts of the shown test images."""
    votes: dict[int, dict[str, dict[str, str]]] = {}
    for example in sorted(shown):
        votes[example] = {}
        for name, predicted in known.items():
            votes[example][name] = answer(predicted, classes, example)
    return votes


def answer(known: Predictions, classes: tuple[str, ...], image: int) -> dict[str, str]:
    """What an algorithm predicts of a test image: most often, and in all; empty if not known."""
    votes = known.votes(image)
    if votes:
        of_class = []
        for label, count in votes:
            of_class.append(f"{classes[label]} by {count} of {known.models} models")
        return {"most": classes[votes[0][0]], "all": ", ".join(of_class)}
    share = percent(known.right[image], 0)
    return {"most": "", "all": f"margin above 0 in {share} of {known.models} models"}


def classes_of(results: Results, pair: Pair) -> list[OfClass]:
    """Accuracy by class under both algorithms of a pair; none where it is not known."""
    known = results.predictions
    if pair.a not in known or pair.b not in known:
        return []
    data = results.data
    return predictions.by_class(known[pair.a], known[pair.b], data.test.labels, data.classes)


def _planted(results: Results) -> dict[str, list[int]]:
    """The examples of each split that a difference was planted on."""
    planted = results.planted or {}
    return {name: planted.get(f"{name}_examples", []) for name in ("test", "train")}


def _charts(results: Results) -> dict[str, Any]:
    """Every chart by the name that the template gives it."""
    drawn = {}
    opening = verdict(results)
    if opening.shown == "feature" and opening.tested:
        pair = results.pairs[opening.pair]
        drawn["opening"] = charts.effect(pair, opening.tested.transformation, "softmax", 150)
    for p, pair in enumerate(results.pairs):
        names = [charts.way_name(way) for way in pair.ways]
        drawn[f"scatter-{p}"] = charts.scatter(pair.a, pair.b, pair.ways, names)
        drawn[f"cosines-{p}"] = histograms.cosines(pair)
        if accuracies := classes_of(results, pair):
            title = charts.RIGHT if results.knows_accuracy(pair) else charts.ABOVE_HALF
            drawn[f"accuracy-{p}"] = charts.accuracy(pair.a, pair.b, accuracies, title)
        if pair.chance:
            drawn[f"chance-{p}"] = histograms.chance(pair.chance)
        if pair.class_map is not None:
            found = cells(pair.class_map, results.data.classes)
            classes = class_names(pair.class_map, results.data.classes)
            drawn[f"map-{p}"] = map_chart.class_map(found, classes, results.data.kind)
        for i, proved in enumerate(pair.proofs):
            drawn[f"proof-{p}-{i}"] = charts.proof(proved)
        for t in dict.fromkeys(pair.effects["transformation"]):
            for measure in ("softmax", "argmax"):
                drawn[f"effect-{p}-{t}-{measure}"] = charts.effect(pair, t, measure)
    if results.unlearning:
        drawn["unlearning"] = charts.unlearning(results.unlearning)
    for name, algorithm in results.algorithms.items():
        drawn[f"lds-{name}"] = histograms.lds(algorithm)
        if np.ptp(algorithm.nonzeros):
            drawn[f"sparsity-{name}"] = histograms.sparsity(algorithm)
    return drawn


def short(value: float) -> float:
    """Three digits are all that is shown."""
    return float(f"{value:.3g}")
