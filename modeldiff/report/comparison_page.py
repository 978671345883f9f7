"""The page of two score files compared: no images, no effects, for there is no data set."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import vl_convert
from markupsafe import Markup

SHOWN = 12  # examples listed at the positive end
LABELLED = 3  # first directions, that carry their rank in the scatter
TEMPLATE = Path(__file__).with_name("comparison.html.jinja")


def render(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> str:
    """One self-contained HTML page, without scripts.

    ways: as `score_comparison.compare` returns them.
    """
    a, b = names
    forth, back = ways.values()
    titled = {f"{a} minus {b}": forth, f"{b} minus {a}": back}
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    drawing = Markup(vl_convert.vegalite_to_svg(_scatter(titled, names)))
    return template.render(a=a, b=b, ways=titled, shown=SHOWN, drawing=drawing)


def _scatter(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> dict[str, Any]:
    """Variance under both, of every direction, with the diagonal: a Vega-Lite specification."""
    points = _points(ways)
    end = max(max(point["x"], point["y"]) for point in points) * 1.05
    axes = {"x": _axis("x", names[0], end), "y": _axis("y", names[1], end)}
    way = {"field": "way", "type": "nominal", "legend": {"title": None, "orient": "top"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 420,
        "height": 380,
        "background": "white",
        "layer": [
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": end, "y": end}]},
                "mark": {"type": "line", "color": "#777777", "strokeDash": [4, 3]},
                "encoding": axes,
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": axes | {"color": way, "shape": way},
            },
            {
                "data": {"values": [point for point in points if point["rank"] <= LABELLED]},
                "mark": {"type": "text", "dx": 10, "dy": -8},
                "encoding": axes | {"text": {"field": "rank"}},
            },
        ],
    }


def _points(ways: dict[str, dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """A point for each direction, in per cent."""
    points = []
    for way, arrays in ways.items():
        for i in range(len(arrays["variance_a"])):
            x = float(arrays["variance_a"][i]) * 100
            y = float(arrays["variance_b"][i]) * 100
            points.append({"x": x, "y": y, "rank": i + 1, "way": way})
    return points


def _axis(field: str, name: str, end: float) -> dict[str, Any]:
    """The axis of one algorithm's variance."""
    return {
        "field": field,
        "type": "quantitative",
        "title": f"Variance under {name} (%)",
        "scale": {"domain": [0, end]},
    }
