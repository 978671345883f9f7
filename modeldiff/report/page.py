"""`report.html`: one self-contained page that works offline, from a file:// path.

Nothing that comes from data or config is ever markup: the templates escape, the page's script
writes text nodes, and a content security policy runs no script but those embedded here and loads
nothing.
"""

import base64
import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert
import yaml
from jinja2 import Environment, PackageLoader
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup

from modeldiff import margins, transformations
from modeldiff.report import (
    baselines_section,
    cells,
    charts,
    drawing,
    mined,
    opening,
    page_content,
    predictions,
    provenance,
    words,
)
from modeldiff.report.pairs import Pair, Way
from modeldiff.report.results import Results
from modeldiff.report.terms import terms
from modeldiff.report.verdict import classes, mostly, tested, verdict
from modeldiff.study import kinds
from modeldiff.study.kinds import IMAGE, Kind

SAMPLES = 4  # images a feature is shown on
HALF = (
    "Which classes they predict was not kept, only whether the right class has more than half of "
    "the probability: every such prediction is right, and some others may be."
)


def render(results: Results, summary: dict[str, Any]) -> str:
    """The page as HTML."""
    first = verdict(results)
    content = page_content.collect(results)
    drawn = results.algorithms and not results.scores
    return written(
        "page.html.jinja",
        content,
        results=results,
        study=results.study,
        summary=summary,
        selection=margins.SELECTION,
        verdict=first,
        opening=opening.strips(results, first),
        planted=opening.planted(results, summary),
        pairs=[_pair(results, p) for p in range(len(results.pairs))],
        exchanges=page_content.exchanges(results),
        terms=terms(results.study, bool(results.scores), results.data.kind),
        drawing=drawing.draw(results, first.pair, first.way) if drawn else None,
        drawn_pair=results.pairs[first.pair],
        features=_features(results),
        differences=provenance.differences(results.study, results.pairs[first.pair]),
        rooms=provenance.rooms(results),
        origins=provenance.origins(results),
        config=yaml.safe_dump(results.study.config, sort_keys=False, allow_unicode=True),
        charts=content["charts"],
        kind=results.data.kind,
    )


class KindWords(Extension):
    """Puts the templates' own text into the words of the environment's `kind` of examples."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Each token of a template, its text as that kind is called."""
        kind: Kind = self.environment.kind  # type: ignore[attr-defined]
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", kind.said(token.value))
            else:
                yield token


def written(template: str, content: dict[str, Any], *, kind: Kind = IMAGE, **said: Any) -> str:
    """A page by its template, about examples of a kind.

    content: what the script reads; said: what the template does.
    """
    scripts = [_vega(), _asset("page.js")]
    pages = Environment(
        loader=PackageLoader("modeldiff.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[KindWords],
    )
    pages.extend(kind=kind)
    pages.filters |= {
        "agree": lambda agreement: kind.said(words.agree(agreement)),
        "chance": lambda way, i, exchanges: kind.said(words.chance(way, i, exchanges)),
        "described": mined.described,
        "duration": words.duration,
        "interval": words.interval,
        "p_value": words.p_value,
        "percent": words.percent,
        "points": words.points,
        "quality": lambda lds: kind.said(words.quality(lds)),
        "reach": words.reach,
        "reasons": lambda causes: margins.reasons_in_words(margins.reasons(causes)),
        "share_left": words.share_left,
        "short": words.short,
    }
    return pages.get_template(template).render(
        **said,
        kind=kind,
        content=Markup(embedded(content | {"words": [kind.one, kind.many]})),
        style=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(f"'sha256-{_hash(script)}'" for script in scripts),
    )


def embedded(content: Any) -> str:
    """JSON that can stand inside a <script> element: no text in it can end the element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _pair(results: Results, p: int) -> dict[str, Any]:
    """What the templates say of a pair."""
    pair = results.pairs[p]
    said = {
        "index": p,
        "pair": pair,
        "where": cells.where(pair, results.data.classes, results.data.kind),
        "transformations": list(dict.fromkeys(pair.effects["transformation"])),
        "tested": {feature.transformation: feature for feature in tested(results, pair)},
        "ways": [_way(results, way) for way in pair.ways],
    }
    if pair.chance:
        said["stronger"] = int((pair.chance.exchanged >= pair.chance.strongest).sum())
    if pair.proofs:
        strongest = np.argsort(-pair.proofs[0].proposal.examples, kind="stable")
        said["group"] = mostly(results, strongest[: page_content.SHOWN])
    if pair.baselines:
        said["baselines"] = baselines_section.section(results, pair, pair.baselines)
    return said | _predicted(results, pair)


def _predicted(results: Results, pair: Pair) -> dict[str, Any]:
    """What the templates say of a pair's predictions; no `gap` where they are not known."""
    if not {pair.a, pair.b} <= results.predictions.keys():
        return {"gap": None}
    a = results.predictions[pair.a]
    b = results.predictions[pair.b]
    if not (a.models and b.models):
        return {"gap": None}
    data = results.data
    images_planted = (results.planted or {}).get("test_examples", [])
    planted = np.isin(np.arange(len(data.test.labels)), images_planted)
    exact = results.knows_accuracy(pair)
    by_margins = a.predicted is None
    said = predictions.compared(a, b, data.test.labels, data.classes, planted)
    return said | {
        "asked": len(data.targets) if by_margins else len(data.test.labels),
        "by_margins": by_margins,
        "exact": exact,
        "above_half": charts.ABOVE_HALF,
        "by_class": "Accuracy by class" if exact else f"{charts.ABOVE_HALF}, by class",
        "is_right": "is right" if exact else "gives the right class more than half the probability",
        "right_is": "" if exact else HALF,
        "right": "gets" if exact else "gives the right class of",
        "right_end": " right" if exact else " more than half the probability",
    }


def _way(results: Results, way: Way) -> dict[str, Any]:
    """What the templates say of a way."""
    strongest = []
    for i in range(len(way.directions)):
        if way.explained_by_chance(i):
            strongest.append("\N{EN DASH}")
        else:
            strongest.append(classes(results, way, i, page_content.SHOWN))
    return {"name": charts.way_name(way), "way": way, "classes": strongest}


def _features(results: Results) -> dict[str, dict[str, Any]]:
    """Each feature on a few images, by strength; 0 is the image as it is."""
    data = results.data
    features = {}
    for name, feature in results.study.transformations.items():
        chosen = _samples(results, data.classes.index(feature.target))
        plain = kinds.unpacked(data.test.images[chosen])
        strongest = transformations.apply(feature.part, plain, feature.strengths[-1])
        rows = []
        for strength in (0.0, *feature.strengths):
            changed = transformations.apply(feature.part, plain, strength)
            shown = []
            for i, example in enumerate(kinds.packed(changed)):
                label = int(data.test.labels[chosen[i]])
                moved = np.flatnonzero(strongest[i] != plain[i])
                shown.append(results.renderer.still(example, label, first=moved))
            rows.append({"strength": strength, "images": shown})
        features[name] = {"examples": chosen.tolist(), "rows": rows}
    return features


def _samples(results: Results, target: int) -> np.ndarray:
    """Verification images that do not have a feature yet, as far as that is known: neither of the
    class that it stands for nor planted. Any, if there are no such images.
    """
    verification = results.data.verification
    planted = (results.planted or {}).get("test_examples", [])
    without = results.data.test.labels[verification] != target
    without &= ~np.isin(verification, planted)
    chosen = verification[without] if without.any() else verification
    return chosen[:SAMPLES]


@cache
def _vega() -> str:
    """The library that draws charts; bundling it takes seconds."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(sha256(script.encode()).digest()).decode()
