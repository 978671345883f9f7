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
from modeldiff.comparison.agreement import Agreement
from modeldiff.dataset import as_float
from modeldiff.report import charts, images, proofs, provenance
from modeldiff.report.candidates import proposed
from modeldiff.report.provenance import part
from modeldiff.report.results import Pair, Results, Way
from modeldiff.report.verdict import classes, tested, verdict

SHOWN = 12  # examples at each end of a direction
INFLUENCES = 6  # training examples of each sign that matter for a test example
MOST = 5000  # images embedded; test examples beyond have no influences listed
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
        "agree": agree,
        "chance": chance,
        "followed": followed,
        "reach": reach,
        "points": points,
        "percent": percent,
        "interval": interval,
        "duration": duration,
        "reasons": lambda causes: margins.reasons_in_words(margins.reasons(causes)),
    }
    opening, content = verdict(results), _content(results)
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
        "transformations": list(dict.fromkeys(pair.effects["transformation"])),
        "tested": {t.transformation: t for t in tested(results, pair)},
        "ways": [
            {
                "name": charts.way_name(way),
                "way": way,
                "classes": [_classes(results, way, i) for i in range(len(way.directions))],
            }
            for way in pair.ways
        ],
    }


def _content(results: Results) -> dict[str, Any]:
    """What the page's script reads: charts, directions, influences, images."""
    data = results.data
    pairs: list[dict[str, Any]] = [
        {
            "ways": [
                {
                    "name": charts.way_name(way),
                    "directions": _directions(results, way),
                    "about": [_about(results, p, way, i) for i in range(len(way.directions))],
                }
                | _candidates(pair, way)
                for way in pair.ways
            ]
        }
        for p, pair in enumerate(results.pairs)
    ]
    for content, pair in zip(pairs, results.pairs, strict=True):
        shown = [proofs.strips(one, data.targets) for one in pair.proofs]
        content["ways"].append({"name": "proposals", "directions": shown})
    strips = [
        (split, [i for i, _ in examples])
        for pair in pairs
        for way in pair["ways"]
        for direction in way["directions"]
        for split, _, examples in direction
    ]
    chosen: dict[str, set[int]] = {
        name: {i for split, found in strips if split == name for i in found}
        for name in ("test", "train")
    }
    influences = _influences(results, chosen)
    return {
        "charts": _charts(results),
        "pairs": pairs,
        "influences": influences,
        "images": images.embed(
            {name: (getattr(data, name), sorted(chosen[name])) for name in chosen}
        ),
        "labels": {
            name: {i: data.classes[getattr(data, name).labels[i]] for i in sorted(chosen[name])}
            for name in chosen
        },
        "side": max(data.test.images.shape[2:]),
    }


def _directions(results: Results, way: Way) -> list[list[Any]]:
    """For each direction its strips: [split, end, [[example, score], ...]].

    Those of test images come first; a direction that chance explains has none.
    """
    targets, found = results.data.targets, []
    for i in range(len(way.directions)):
        projection = dict(zip(targets.tolist(), way.projections[:, i].tolist(), strict=True))
        strips: list[Any] = []
        for end, test, train in (
            ("high", way.test_high[i], way.train_high[i]),
            ("low", way.test_low[i], way.train_low[i]),
        ):
            scores = [[int(e), short(projection[int(e)])] for e in test[:SHOWN]]
            own = [[int(e), short(way.directions[i, e])] for e in train[:SHOWN]]
            if not way.explained_by_chance(i):
                strips.append(["test", end, scores])
            strips.append(["train", end, own])
        found.append(sorted(strips, key=lambda strip: strip[0]))
    return found


def _about(results: Results, p: int, way: Way, i: int) -> str:
    """A direction in one line."""
    pair = results.pairs[p]
    return (
        f"Reach {reach(way, 'a', i)} under {pair.a}, "
        f"{reach(way, 'b', i)} under {pair.b}; {percent(way.explained[i])} of what "
        f"differs. {chance(way, i)} Strongest test images: {_classes(results, way, i)}."
    )


def _classes(results: Results, way: Way, i: int) -> str:
    """The classes of a direction's strongest test images, if they tell anything."""
    if way.explained_by_chance(i):
        return "not shown, since chance picks the noisiest"
    return classes(results, way, i, SHOWN)


def _candidates(pair: Pair, way: Way) -> dict[str, Any]:
    """What the library offers for each direction, if asked for: tables, and how to read them."""
    if not len(pair.candidates):
        return {}
    tables = [
        [
            [
                f"{part(row['options'] | {'name': row['transformation']})}, {row['strength']:g}",
                row["class"],
                points(row["effect_a"]),
                points(row["effect_b"]),
                f"{points(row['difference'])} {interval(row)}",
                "yes" if row["apart"] else "no",
            ]
            for row in proposed(pair, way, i)
        ]
        for i in range(len(way.directions))
    ]
    tried = pair.candidates.iloc[0]
    about = (
        f"What of the library moves {way.first} more than {way.second}, in points, over "
        f"{tried['models_a']} and {tried['models_b']} models, on images that directions were found "
        f"on. The intervals hold for all {tried['attempts']} attempts at once; beyond chance is "
        "what leaves out 0. These are ideas: a person decides, and puts one to the test on other "
        "images, at strengths of one's own, under verification: transformations."
    )
    head = ["Candidate, strength", "Towards", pair.a, pair.b, "Difference", "Beyond chance"]
    return {"candidates": {"head": head, "tables": tables, "about": about}}


def agree(agreement: Agreement | None) -> str:
    """How alike two algorithms use the training images, noise taken out."""
    if agreement is None:
        return ""
    if np.isnan(agreement.value):
        return (
            "How alike they are is not known: the margins of one of them do not surely show, "
            "above their noise, that its training images matter."
        )
    interval = f"[{agreement.low:.2f}, {agreement.high:.2f}]"
    agreed = f"{agreement.value:.2f} {interval}"
    return f"Noise taken out, their datamodels agree to {agreed} (1: the same)."


def reach(way: Way, side: str, i: int) -> str:
    """How far algorithm "a" or "b" goes along a direction, with its interval where known."""
    value, low, high = getattr(way, f"reach_{side}")[i]
    return f"{value:.2g}" if np.isnan(low) else f"{value:.2g} [{low:.2g}, {high:.2g}]"


def chance(way: Way, i: int) -> str:
    """What was tested about a direction, in words."""
    if np.isnan(way.p_value[i]):
        return "Not tested against chance."
    verdict = "Stands out" if way.significant[i] else "No more than chance gives"
    shown = way.train_high.shape[1]
    return (
        f"{verdict} (p = {way.p_value[i]:.2g}). Two halves of the models agree on "
        f"{way.shared(i)} of its {shown} strongest training images.{followed(way, i)}"
    )


def followed(way: Way, i: int) -> str:
    """Whether the second algorithm follows a direction that stands out, too."""
    value, low, high = way.second_follows[i]
    if np.isnan(value) or not way.significant[i]:
        return ""
    far = f"{value:.2f} [{low:.2f}, {high:.2f}] times as far as {way.first}"
    if low > 0:
        return f" {way.second} follows it too, {far}."
    if high < 0:
        return f" {way.second} goes the opposite way, {far}."
    return f" {way.second} is not seen to follow it ({far})."


def _influences(results: Results, chosen: dict[str, set[int]]) -> dict[int, dict[str, Any]]:
    """For shown test examples, the training examples that raise and lower their margin most,
    under each algorithm. Adds what it shows to `chosen`, up to `MOST` images.
    """
    row = {int(target): r for r, target in enumerate(results.data.targets)}
    found: dict[int, dict[str, Any]] = {}
    for name in results.study.compared:
        weights = results.weights(name)
        for i in sorted(chosen["test"]):
            if len(chosen["test"]) + len(chosen["train"]) > MOST:
                break
            own = weights[row[i]]
            order = np.argsort(own, kind="stable")
            ends = [
                [[int(e), short(own[e])] for e in end[:INFLUENCES] if own[e] != 0]
                for end in (order[::-1], order)
            ]
            found.setdefault(i, {})[name] = ends
            chosen["train"] |= {int(e) for end in ends for e, _ in end}
    return found


def _charts(results: Results) -> dict[str, Any]:
    found, opening = {}, verdict(results)
    if opening.tested:
        pair = results.pairs[opening.pair]
        found["opening"] = charts.effect(pair, opening.tested.transformation, "softmax", 190)
    for p, pair in enumerate(results.pairs):
        names = [charts.way_name(way) for way in pair.ways]
        found[f"scatter-{p}"] = charts.scatter(pair, names)
        found[f"cosines-{p}"] = charts.cosines(pair)
        for i, proved in enumerate(pair.proofs):
            found[f"proof-{p}-{i}"] = charts.proof(proved)
        for t in dict.fromkeys(pair.effects["transformation"]):
            for measure in ("softmax", "argmax"):
                found[f"effect-{p}-{t}-{measure}"] = charts.effect(pair, t, measure)
    for name, algorithm in results.algorithms.items():
        found[f"lds-{name}"] = charts.lds(algorithm)
        if np.ptp(algorithm.nonzeros):
            found[f"sparsity-{name}"] = charts.sparsity(algorithm)
    return found


def _features(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Each feature on a few images, by strength; 0 is the image as it is."""
    data, found = results.data, {}
    chosen = data.verification[:SAMPLES]
    plain = as_float(data.test.images[chosen])
    for name, feature in results.study.transformations.items():
        rows = []
        for strength in (0.0, *feature.strengths):
            changed = transformations.apply(feature.part, plain, strength)
            pictures = np.round(np.clip(changed, 0, 1) * 255).astype(np.uint8)
            rows.append({"strength": strength, "images": list(map(images.small, pictures))})
        found[name] = rows
    return found


def short(value: float) -> float:
    """Three digits are all that is shown."""
    return float(f"{value:.3g}")


def points(value: float) -> str:
    """A probability in percentage points, signed."""
    text = f"{value * 100:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash for what does not exist."""
    return "\N{EN DASH}" if value is None else f"{value * 100:.{digits}f}%"


def interval(row: dict[str, Any]) -> str:
    """An effect's interval, in points."""
    return f"[{points(row['low'])}, {points(row['high'])}]"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(sha256(script.encode()).digest()).decode()
