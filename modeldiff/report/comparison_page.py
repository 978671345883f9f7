"""The page of two score files compared: no images, no effects, for there is no data set."""

from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import vl_convert
from markupsafe import Markup

from modeldiff.report import charts
from modeldiff.report.results import Pair, Way

LOOK = {
    "width": 420,
    "background": "white",
    "config": {"style": {"guide": {"stroke": "#777777", "strokeDash": [4, 3], "strokeWidth": 1}}},
}
SHOWN = 12  # examples listed at the positive end


def render(found: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> str:
    """One self-contained HTML page, without scripts; `found` is what `scores.compare` returns."""
    a, b = names
    ways = tuple(
        Way(name=way, first=first, second=second, **of)
        for (way, of), (first, second) in zip(found.items(), ((a, b), (b, a)), strict=True)
    )
    pair = Pair(a, b, ways, agreement=np.zeros(0), effects=pd.DataFrame())
    spec = charts.scatter(pair, [f"{way.first} minus {way.second}" for way in ways])
    drawing = vl_convert.vegalite_to_svg(spec | LOOK)
    template = jinja2.Environment(autoescape=True).from_string(_template())
    return template.render(pair=pair, shown=SHOWN, drawing=Markup(drawing))


def _template() -> str:
    return Path(__file__).with_name("comparison.html.jinja").read_text(encoding="utf-8")
