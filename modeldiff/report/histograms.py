"""The page's histograms as Vega-Lite specifications: scores, cosines, what chance gives."""

from typing import Any

import numpy as np

from modeldiff.comparison.result import Chance
from modeldiff.report.charts import Spec, field, specification
from modeldiff.report.pairs import Pair
from modeldiff.report.results import AlgorithmResults


def lds(algorithm: AlgorithmResults) -> Spec:
    """Scores of the targets, their mean with its interval, and the ceiling."""
    score = algorithm.lds
    lines = [{"x": score.mean, "what": f"mean {score.mean:.2f}"}]
    if np.isfinite(score.ceiling):
        lines.append({"x": score.ceiling, "what": f"ceiling {score.ceiling:.2f}"})
    x = field("x", "LDS of a test example", scale={"domain": [min(score.per_target.min(), 0), 1]})
    spec = histogram(
        score.per_target,
        "LDS of a test example",
        f"Histogram of the scores of {algorithm.name}: mean {score.mean:.2f}, 95% interval "
        f"{score.low:.2f} to {score.high:.2f}, ceiling {score.ceiling:.2f}.",
    )
    spec["layer"][0]["encoding"]["x"]["scale"] = x["scale"]
    spec["layer"] += [
        {
            "data": {"values": [{"low": score.low, "high": score.high}]},
            "mark": {"type": "rect", "style": "interval"},
            "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
        },
        {
            "data": {"values": lines[:1]},
            "mark": {"type": "rule", "style": "mean"},
            "encoding": {"x": x},
        },
        {
            "data": {"values": lines[1:]},
            "mark": {"type": "rule", "style": "guide"},
            "encoding": {"x": x},
        },
        {
            "data": {"values": lines},
            "mark": {"type": "text", "baseline": "bottom"},
            "encoding": {"x": x, "y": {"value": -4}, "text": {"field": "what"}},
        },
    ]
    return spec


def cosines(pair: Pair) -> Spec:
    """How alike the two algorithms' datamodels of a test example are, as they were fitted."""
    mean = pair.cosines.mean()
    return histogram(
        pair.cosines,
        f"Cosine of {pair.a}'s and {pair.b}'s datamodel",
        f"Histogram of the cosines of {pair.a}'s and {pair.b}'s datamodels, mean {mean:.2f}.",
    )


def sparsity(algorithm: AlgorithmResults) -> Spec:
    """How many training examples have a weight."""
    return histogram(
        algorithm.nonzeros,
        "Training examples with a weight",
        f"Histogram of how many training examples a datamodel of {algorithm.name} uses.",
    )


def histogram(
    values: np.ndarray,
    title: str,
    description: str,
    counted: str = "Test examples",
    bins: int = 30,
) -> Spec:
    """Counts, of test examples unless it says otherwise, in equal bins."""
    counts, edges = np.histogram(values, bins=bins)
    bars = []
    for i, count in enumerate(counts):
        bars.append({"x": float(edges[i]), "end": float(edges[i + 1]), "n": int(count)})
    return specification(
        description,
        220,
        data={"values": bars},
        layer=[
            {
                "mark": {"type": "bar", "style": "count", "binSpacing": 1},
                "encoding": {
                    "x": field("x", title, bin="binned"),
                    "x2": {"field": "end"},
                    "y": field("n", counted),
                },
            }
        ],
    )


def chance(tested: Chance) -> Spec:
    """What exchanging the algorithms' models gives in place of direction 1, beside direction 1."""
    spec = histogram(
        tested.exchanged,
        "Strength of the strongest direction",
        f"Histogram of the strongest direction of {len(tested.exchanged)} random exchanges, with "
        f"the direction found, at {tested.strongest:.2g}.",
        counted="Exchanges",
        bins=8,
    )
    found = [{"x": tested.strongest, "what": "found"}]
    strengths = [*tested.exchanged.tolist(), tested.strongest]
    domain = [min(strengths) * 0.9, max(strengths) * 1.1]
    x = field("x", "Strength of the strongest direction", scale={"domain": domain})
    spec["layer"][0]["encoding"]["x"]["scale"] = x["scale"]
    spec["layer"] += _rule(found, x)
    return spec


def _rule(values: list[dict[str, Any]], x: Spec) -> list[Spec]:
    """A line across a histogram, with what it is above it."""
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "style": "mean"},
            "encoding": {"x": x},
        },
        {
            "data": {"values": values},
            "mark": {"type": "text", "baseline": "bottom"},
            "encoding": {"x": x, "y": {"value": -4}, "text": {"field": "what"}},
        },
    ]
