"""The page of two score files compared: no images, no effects, for there is no data set."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import vl_convert
from markupsafe import Markup

SHOWN = 12  # examples listed at the positive end
TEMPLATE = Path(__file__).with_name("comparison.html.jinja")


def render(found: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> str:
    """One self-contained HTML page, without scripts; `found` is what `scores.compare` returns."""
    a, b = names
    ways = dict(zip((f"{a} minus {b}", f"{b} minus {a}"), found.values(), strict=True))
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    drawing = Markup(vl_convert.vegalite_to_svg(_scatter(ways, names)))
    return template.render(a=a, b=b, ways=ways, shown=SHOWN, drawing=drawing)


def _scatter(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> dict[str, Any]:
    """Variance under both, of every direction, with the diagonal: a Vega-Lite specification."""
    points: list[dict[str, Any]] = [
        {"x": float(x) * 100, "y": float(y) * 100, "rank": i + 1, "way": way}
        for way, of in ways.items()
        for i, (x, y) in enumerate(zip(of["variance_a"], of["variance_b"], strict=True))
    ]
    end = max(max(p["x"], p["y"]) for p in points) * 1.05
    axes = {
        at: {
            "field": at,
            "type": "quantitative",
            "title": f"Variance under {name} (%)",
            "scale": {"domain": [0, end]},
        }
        for at, name in zip("xy", names, strict=True)
    }
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
                "data": {"values": [p for p in points if p["rank"] <= 3]},
                "mark": {"type": "text", "dx": 10, "dy": -8},
                "encoding": axes | {"text": {"field": "rank"}},
            },
        ],
    }
