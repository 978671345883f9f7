"""The page's charts as Vega-Lite specifications.

Why Vega-Lite and not Plotly or Bokeh: its bundle is 0.9 MB where Plotly's is 4.8; it writes text
as text, where Plotly reads names as HTML; its SVG carries ARIA labels; and its interpreter runs
under a content security policy that forbids everything else. Colours come from the page (`page.js`
gives Vega a theme), so that charts are dark where the page is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modeldiff.report.pairs import Pair, Way
from modeldiff.report.predictions import OfClass
from modeldiff.report.proofs import Proved

LABELLED = 3  # first directions, that carry their rank in the scatter
APART = 0.06  # of an axis: labels closer than that would overlap
MOST_CLASSES = 30  # in a chart
RIGHT = "Right"
ABOVE_HALF = "Right class above half the probability"
LEGEND = {"title": None, "orient": "top", "symbolSize": 110, "symbolOpacity": 1}
Spec = dict[str, Any]


def scatter(a: str, b: str, ways: Sequence[Way], way_names: list[str]) -> Spec:
    """How far both algorithms reach along all directions, both ways, with the diagonal."""
    points = _points(ways, way_names)
    farthest = max(max(point["x"], point["y"]) for point in points)
    end = 1.05 * farthest if farthest > 0 else 1.0
    at = {
        "x": field("x", f"Reach under {a}", scale={"domain": [0, end]}),
        "y": field("y", f"Reach under {b}", scale={"domain": [0, end]}),
    }
    way = {
        "field": "way",
        "type": "nominal",
        "scale": {"domain": way_names},
        "legend": LEGEND | {"columns": 1, "labelLimit": 340},  # two names in each
    }
    chosen = {"test": "datum.id === chosen"}
    return specification(
        f"Reach along each direction under {a} (across) and {b} (up). "
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
                "data": {"values": _labelled(points, APART * end)},
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
                        {"field": "x", "title": f"Reach under {a}", "format": ".2~r"},
                        {"field": "y", "title": f"Reach under {b}", "format": ".2~r"},
                    ],
                },
            },
        ],
    )


def _points(ways: Sequence[Way], way_names: list[str]) -> list[dict[str, Any]]:
    """A point for each direction."""
    points = []
    for w, way in enumerate(ways):
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


def _labelled(points: list[dict[str, Any]], apart: float) -> list[dict[str, Any]]:
    """The first points of each way, without those whose label would lie on another."""
    labelled: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda one: one["rank"]):
        near = [
            other
            for other in labelled
            if max(abs(other["x"] - point["x"]), abs(other["y"] - point["y"])) < apart
        ]
        if point["rank"] <= LABELLED and not near:
            labelled.append(point)
    return labelled


def accuracy(a: str, b: str, rows: Sequence[OfClass], title: str = RIGHT) -> Spec:
    """Share of right predictions by class under both; those with the largest difference first.

    title: what is shared, where predictions are not known.
    """
    chosen = sorted(rows, key=lambda row: -abs(row.a - row.b))[:MOST_CLASSES]
    points = []
    for row in chosen:
        points.append({"class": row.name, "algorithm": a, "x": row.a * 100, "drawn": 1})
        points.append({"class": row.name, "algorithm": b, "x": row.b * 100, "drawn": 2})
    who = {"field": "algorithm", "type": "nominal", "scale": {"domain": [a, b]}, "legend": LEGEND}
    # Where both are the same, the one drawn first is seen around the other.
    sizes = {"domain": [1, 2], "range": [180, 80]}
    size = {"field": "drawn", "type": "quantitative", "scale": sizes, "legend": None}
    y = {"field": "class", "type": "nominal", "sort": None, "title": None}
    least = min(min(row.a, row.b) for row in chosen) * 100 // 10 * 10
    least = min(least, 50)  # small differences are to look small
    share = f"{title}, per cent"
    x = field("x", share, scale={"domain": [least, 100]})
    return specification(
        f"{share}, by class under {a} and {b}.",
        24 * len(chosen),
        data={"values": points},
        encoding={"y": y},
        layer=[
            {
                "mark": {"type": "line", "style": "guide"},
                "encoding": {"x": x, "detail": {"field": "class"}},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {
                    "x": x,
                    "color": who,
                    "shape": who,
                    "size": size,
                    "tooltip": [
                        {"field": "class", "title": "Class"},
                        {"field": "algorithm", "title": "Algorithm"},
                        {"field": "x", "title": share, "format": ".1f"},
                    ],
                },
            },
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
    x = field("x", f"Strength of {transformation}", scale={"domain": [0, strongest]})
    title = f"Change of the probability of {target}, points"
    return specification(
        f"Effect of {transformation} on the probability of {target} by strength, under "
        f"{' and '.join(names)}.",
        height,
        data={"values": points},
        encoding={"x": x},
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.25},
                "encoding": {"y": field("low", title), "y2": {"field": "high"}} | colour,
            },
            {"mark": {"type": "line"}, "encoding": {"y": field("effect", title)} | colour},
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "y": field("effect", title),
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
    title = "How much the first set raises the margins"
    x = field("effect", title)
    described = f"Effect of proposal {proved.number} under {proved.a} and {proved.b}."
    return specification(
        described,
        70,
        data={"values": rows},
        encoding={"y": who | {"sort": None, "axis": {"labelFontSize": 13}}},
        layer=[
            {"mark": {"type": "bar", "height": 16, "opacity": 0.75}, "encoding": {"x": x} | colour},
            {
                "mark": {"type": "rule", "style": "mean"},
                "encoding": {"x": field("low", title), "x2": {"field": "high"}},
            },
        ],
    )


def unlearning(rows: Sequence[dict[str, Any]]) -> Spec:
    """What is left of a group in each algorithm that was to forget it, with intervals."""
    known = [row for row in rows if np.isfinite(row["left"])]
    points = [{key: row[key] for key in ("algorithm", "left", "low", "high")} for row in known]
    who = {"field": "algorithm", "type": "nominal", "title": None, "sort": None}
    title = "Left of the group's weight"
    return specification(
        "Share of the group's weight that is left in each algorithm: 1 all of it, 0 as if it had "
        "never been seen.",
        40 + 26 * len(points),
        data={"values": points},
        encoding={"y": who | {"axis": {"labelFontSize": 13}}},
        layer=[
            {
                "data": {"values": [{"at": 0}, {"at": 1}]},
                "mark": {"type": "rule", "style": "guide"},
                "encoding": {"x": field("at", title), "y": {"value": 0}, "y2": {"value": "height"}},
            },
            {
                "mark": {"type": "rule", "style": "mean"},
                "encoding": {"x": field("low", title), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": field("left", title)},
            },
        ],
    )


def field(name: str, title: str, **more: Any) -> Spec:
    """A number along an axis."""
    axis = {"tickCount": 6}
    return {"field": name, "type": "quantitative", "title": title, "axis": axis} | more


def specification(description: str, height: int, **content: Any) -> Spec:
    """A chart as wide as its place on the page; description: for those who do not see it."""
    return {"description": description, "width": "container", "height": height} | content


def way_name(way: Way) -> str:
    """How a way is called on the page."""
    return f"{way.first} minus {way.second}"
