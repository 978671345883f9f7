"""The page's charts as Vega-Lite specifications.

Why Vega-Lite and not Plotly or Bokeh: its bundle is 0.9 MB where Plotly's is 4.8; it writes text
as text, where Plotly reads names as HTML; its SVG carries ARIA labels; and its interpreter runs
under a content security policy that forbids everything else. Colours come from the page (`page.js`
gives Vega a theme), so that charts are dark where the page is.
"""

from typing import Any

import numpy as np

from modeldiff.report.cells import Cell
from modeldiff.report.proofs import Proved
from modeldiff.report.results import AlgorithmResults, Pair, Way

LABELLED = 3  # first directions, that carry their rank in the scatter
LEGEND = {"title": None, "orient": "top", "symbolSize": 110, "symbolOpacity": 1}
Spec = dict[str, Any]


def scatter(pair: Pair, way_names: list[str]) -> Spec:
    """How far both algorithms reach along all directions, both ways, with the diagonal."""
    points = _points(pair, way_names)
    end = max(max(point["x"], point["y"]) for point in points) * 1.05
    at = {
        "x": _field("x", f"Reach under {pair.a}", scale={"domain": [0, end]}),
        "y": _field("y", f"Reach under {pair.b}", scale={"domain": [0, end]}),
    }
    way = {
        "field": "way",
        "type": "nominal",
        "scale": {"domain": way_names},
        "legend": LEGEND | {"columns": 1, "labelLimit": 340},  # two names in each
    }
    chosen = {"test": "datum.id === chosen"}
    return _spec(
        f"Reach along each direction under {pair.a} (across) and {pair.b} (up). "
        "Directions far from the diagonal are used by one algorithm only; "
        "faint ones do not stand out from chance.",
        380,
        params=[{"name": "chosen", "value": ""}],
        data={"values": points},
        layer=[
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": end, "y": end}]},
                "mark": {"type": "line", "style": "guide"},
                "encoding": at,
            },
            {
                "mark": {"type": "point", "filled": True},
                "encoding": at
                | {
                    "opacity": {"condition": {"test": "datum.chance", "value": 0.35}, "value": 1},
                    "color": way,
                    "shape": way,
                    "size": {"condition": chosen | {"value": 320}, "value": 110},
                },
            },
            {
                "transform": [{"filter": f"datum.rank <= {LABELLED}"}],
                "mark": {"type": "text", "dx": 12, "dy": -9},
                "encoding": at | {"text": {"field": "rank"}},
            },
            {  # what a finger hits
                "mark": {"type": "point", "filled": True, "opacity": 0, "cursor": "pointer"},
                "encoding": at
                | {
                    "size": {"value": 500},
                    "tooltip": [
                        {"field": "way", "title": "Way"},
                        {"field": "rank", "title": "Direction"},
                        {"field": "x", "title": f"Reach under {pair.a}", "format": ".2~r"},
                        {"field": "y", "title": f"Reach under {pair.b}", "format": ".2~r"},
                    ],
                },
            },
        ],
    )


def _points(pair: Pair, way_names: list[str]) -> list[dict[str, Any]]:
    """A point for each direction."""
    points = []
    for w, way in enumerate(pair.ways):
        for i in range(len(way.directions)):
            point = {
                "id": f"{w}-{i}",
                "way": way_names[w],
                "rank": i + 1,
                "x": float(way.reach_a[i, 0]),
                "y": float(way.reach_b[i, 0]),
                "chance": way.explained_by_chance(i),
            }
            points.append(point)
    return points


def lds(algorithm: AlgorithmResults) -> Spec:
    """Scores of the targets, their mean with its interval, and the ceiling."""
    score = algorithm.lds
    lines = [{"x": score.mean, "what": f"mean {score.mean:.2f}"}]
    if np.isfinite(score.ceiling):
        lines.append({"x": score.ceiling, "what": f"ceiling {score.ceiling:.2f}"})
    x = _field("x", "LDS of a test example", scale={"domain": [min(score.per_target.min(), 0), 1]})
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


def histogram(values: np.ndarray, title: str, description: str) -> Spec:
    """Counts of test examples in 30 equal bins."""
    counts, edges = np.histogram(values, bins=30)
    bars = []
    for i, count in enumerate(counts):
        bars.append({"x": float(edges[i]), "end": float(edges[i + 1]), "n": int(count)})
    return _spec(
        description,
        220,
        data={"values": bars},
        layer=[
            {
                "mark": {"type": "bar", "style": "count", "binSpacing": 1},
                "encoding": {
                    "x": _field("x", title, bin="binned"),
                    "x2": {"field": "end"},
                    "y": _field("n", "Test examples"),
                },
            }
        ],
    )


def effect(pair: Pair, transformation: str, measure: str, height: int = 260) -> Spec:
    """Effect on a pair's algorithms by strength, with intervals over models and images."""
    table = pair.effects
    rows = table[
        (table["transformation"] == transformation)
        & (table["measure"] == measure)
        & (table["over"] == "both")
    ]
    target = rows["class"].iloc[0]
    points = []
    for row in rows.to_dict("records"):
        point = {
            "algorithm": row["algorithm"],
            "x": row["strength"],
            "effect": row["effect"] * 100,
            "low": row["low"] * 100,
            "high": row["high"] * 100,
        }
        points.append(point)
    names = rows["algorithm"].unique().tolist()
    who = {"field": "algorithm", "type": "nominal", "scale": {"domain": names}}
    colour = {"color": who | {"legend": LEGEND}}
    shape = {"shape": who | {"legend": LEGEND}}
    strongest = float(rows["strength"].max())
    x = _field("x", f"Strength of {transformation}", scale={"domain": [0, strongest]})
    title = f"Change of p({target}), points"
    return _spec(
        f"Effect of {transformation} on p({target}) by strength, under {' and '.join(names)}.",
        height,
        data={"values": points},
        encoding={"x": x},
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.25},
                "encoding": {"y": _field("low", title), "y2": {"field": "high"}} | colour,
            },
            {"mark": {"type": "line"}, "encoding": {"y": _field("effect", title)} | colour},
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "y": _field("effect", title),
                    "tooltip": [
                        {"field": "algorithm", "title": "Algorithm"},
                        {"field": "x", "title": "Strength"},
                        {"field": "effect", "title": "Points", "format": "+.1f"},
                        {"field": "low", "title": "From", "format": "+.1f"},
                        {"field": "high", "title": "To", "format": "+.1f"},
                    ],
                }
                | colour
                | shape,
            },
        ],
    )


def proof(proved: Proved) -> Spec:
    """Effects of a proposal under both algorithms, with intervals."""
    rows = []
    for name, side in ((proved.a, "a"), (proved.b, "b")):
        row = {
            "algorithm": name,
            "effect": proved.row[side],
            "low": proved.row[f"{side}_low"],
            "high": proved.row[f"{side}_high"],
        }
        rows.append(row)
    who = {"field": "algorithm", "type": "nominal", "title": None}
    colour = {"color": who | {"scale": {"domain": [proved.a, proved.b]}, "legend": None}}
    title = "Margins raised by the first half instead of the second"
    x = _field("effect", title)
    described = f"Effect of proposal {proved.number} under {proved.a} and {proved.b}."
    return _spec(
        described,
        70,
        data={"values": rows},
        encoding={"y": who | {"sort": None, "axis": {"labelFontSize": 13}}},
        layer=[
            {"mark": {"type": "bar", "height": 16, "opacity": 0.75}, "encoding": {"x": x} | colour},
            {
                "mark": {"type": "rule", "style": "mean"},
                "encoding": {"x": _field("low", title), "x2": {"field": "high"}},
            },
        ],
    )


def class_map(cells: list[Cell], classes: list[str]) -> Spec:
    """Where a pair differs, by class of test image (down) and of training image (across)."""
    rows = []
    for cell in cells:
        row = {
            "test": cell.test,
            "train": cell.train,
            # Below 0 there is only error.
            "share": max(0.0, cell.share) if np.isfinite(cell.share) else 0.0,
            "agreement": f"{cell.agreement:.2f}" if np.isfinite(cell.agreement) else "not known",
            "p": cell.p_value,
            "significant": cell.significant,
        }
        rows.append(row)
    # Not `sort`: Vega-Lite would write the names into an expression.
    of_class = {"type": "nominal", "scale": {"domain": classes}}
    at = {
        "x": of_class | {"field": "train", "title": "Class of training images"},
        "y": of_class | {"field": "test", "title": "Class of test images"},
    }
    share = {"field": "share", "type": "quantitative", "title": "Share of all that differs"}
    return _spec(
        "Share of what differs, by class of test images (down) and of training images (across). "
        "A dot marks cells that stand out from chance.",
        max(160, 26 * len(classes)),
        data={"values": rows},
        layer=[
            {
                "mark": {"type": "rect"},
                "encoding": at
                | {
                    "color": share | {"legend": {"format": ".0%"}},
                    "tooltip": [
                        {"field": "test", "title": "Test images of"},
                        {"field": "train", "title": "Training images of"},
                        share | {"format": ".1%"},
                        {"field": "agreement", "title": "Agreement"},
                        {"field": "p", "title": "p, corrected", "format": ".2g"},
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.significant"}],
                "mark": {"type": "point", "style": "mean", "filled": True, "opacity": 1},
                "encoding": at,
            },
        ],
    )


def _field(name: str, title: str, **more: Any) -> Spec:
    axis = {"tickCount": 6}
    return {"field": name, "type": "quantitative", "title": title, "axis": axis} | more


def _spec(description: str, height: int, **content: Any) -> Spec:
    return {"description": description, "width": "container", "height": height} | content


def way_name(way: Way) -> str:
    """How a way is called on the page."""
    return f"{way.first} minus {way.second}"
