"""`report.html`: one self-contained page that works offline, from a file:// path.

Nothing that comes from data or config is ever markup: the template escapes, the page's script
writes text nodes, and a content security policy runs no script but those embedded here and loads
nothing.
"""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert
import yaml
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from modeldiff import margins, transformations
from modeldiff.dataset import as_float
from modeldiff.report import cells, charts, images, page_content, provenance, words
from modeldiff.report.results import Results, Way
from modeldiff.report.verdict import tested, verdict

SAMPLES = 4  # images a feature is shown on


def render(results: Results, summary: dict[str, Any]) -> str:
    """The page as HTML."""
    scripts = [vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"), _asset("page.js")]
    pages = Environment(
        loader=PackageLoader("modeldiff.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
        "agree": words.agree,
        "chance": words.chance,
        "followed": words.followed,
        "reach": words.reach,
        "points": words.points,
        "percent": words.percent,
        "interval": words.interval,
        "duration": words.duration,
        "reasons": lambda causes: margins.reasons_in_words(margins.reasons(causes)),
    }
    opening = verdict(results)
    content = page_content.collect(results)
    return pages.get_template("page.html.jinja").render(
        results=results,
        study=results.study,
        summary=summary,
        selection=margins.SELECTION,
        verdict=opening,
        pairs=[_pair(results, p) for p in range(len(results.pairs))],
        features=_features(results),
        differences=provenance.differences(results.study, results.pairs[opening.pair]),
        rooms=provenance.rooms(results),
        origins=provenance.origins(results),
        config=yaml.safe_dump(results.study.config, sort_keys=False, allow_unicode=True),
        charts=content["charts"],
        content=Markup(embedded(content)),
        style=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(f"'sha256-{_hash(script)}'" for script in scripts),
    )


def embedded(content: Any) -> str:
    """JSON that can stand inside a <script> element: no text in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _pair(results: Results, p: int) -> dict[str, Any]:
    """What the template says of a pair."""
    pair = results.pairs[p]
    return {
        "pair": pair,
        "where": cells.where(pair, results.data.classes),
        "transformations": list(dict.fromkeys(pair.effects["transformation"])),
        "tested": {feature.transformation: feature for feature in tested(results, pair)},
        "ways": [_way(results, way) for way in pair.ways],
    }


def _way(results: Results, way: Way) -> dict[str, Any]:
    """What the template says of a way."""
    classes = []
    for i in range(len(way.directions)):
        classes.append(page_content.strongest_classes(results, way, i))
    return {"name": charts.way_name(way), "way": way, "classes": classes}


def _features(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Each feature on a few images, by strength; 0 is the image as it is."""
    data = results.data
    chosen = data.verification[:SAMPLES]
    plain = as_float(data.test.images[chosen])
    features = {}
    for name, feature in results.study.transformations.items():
        rows = []
        for strength in (0.0, *feature.strengths):
            changed = transformations.apply(feature.part, plain, strength)
            pictures = np.round(np.clip(changed, 0, 1) * 255).astype(np.uint8)
            rows.append({"strength": strength, "images": list(map(images.small, pictures))})
        features[name] = rows
    return features


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(sha256(script.encode()).digest()).decode()
