"""The page of a comparison without a study: of two score files, or of two arrays of margins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from modeldiff.comparison import Agreement, Comparison, ends
from modeldiff.comparison.result import Chance
from modeldiff.dataset import Dataset
from modeldiff.report import charts, histograms, page, page_content, predictions, words
from modeldiff.report.pairs import Way
from modeldiff.report.predictions import Predictions
from modeldiff.study.stages import WAYS

SHOWN = 12  # examples listed at the positive end
EXAMPLES = 20  # at each end of a direction of margins: as many as a study keeps
RIGHT = (
    "Of margins over the largest other score that is the accuracy; of log-odds, how often the "
    "right class has more than half of the probability."
)


@dataclass(frozen=True)
class Compared:
    """Two sides and what sets them apart.

    ways: at least one. agreement, chance: of directions that were tested, else None. data: images
    of the training examples and (its test images) of the targets; None if there are none. known:
    what the models of either side predict of the targets; empty if that is not known.
    """

    a: str
    b: str
    ways: tuple[Way, ...]
    agreement: Agreement | None = None
    chance: Chance | None = None
    data: Dataset | None = None
    known: Mapping[str, Predictions] | None = None

    @property
    def tested(self) -> bool:
        """Whether directions were tested against chance."""
        return bool(np.isfinite(self.ways[0].p_value).any())

    @property
    def exchanges(self) -> int | None:
        """Random exchanges that p-values were found by."""
        return len(self.chance.exchanged) if self.chance else None


def of_scores(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> Compared:
    """Two files of scores; ways: as `score_comparison.compare` returns them."""
    a, b = names
    (forth_name, forth), (back_name, back) = ways.items()
    return Compared(a, b, (_way(forth_name, a, b, forth), _way(back_name, b, a, back)))


def of_margins(
    names: tuple[str, str],
    found: Comparison,
    known: tuple[Predictions, Predictions],
    data: Dataset | None,
) -> Compared:
    """A contrast of margins, with all its directions as one way: numbered as in its table."""
    a, b = names
    arrays = found.arrays()
    for split, scores in (("train", found.directions), ("test", found.projections.T)):
        both = [ends(of_direction, EXAMPLES) for of_direction in scores]
        arrays[f"{split}_high"] = np.stack([high for high, _ in both])
        arrays[f"{split}_low"] = np.stack([low for _, low in both])
    return Compared(
        a=a,
        b=b,
        ways=(_way(WAYS[0], a, b, arrays | {"significant": found.significant}),),
        agreement=found.agreement,
        chance=found.chance,
        data=data,
        known={a: known[0], b: known[1]},
    )


def _way(name: str, first: str, second: str, arrays: dict[str, np.ndarray]) -> Way:
    """One way as that of a study; nothing stands out in what was not tested."""
    untested = {"significant": np.zeros(len(arrays["directions"]), bool)}
    known = untested | arrays | {"second_follows": arrays["b_follows"]}
    content = {field.name: known[field.name] for field in fields(Way)[3:]}
    return Way(name, first, second, **content)


def render(compared: Compared) -> str:
    """One self-contained HTML page."""
    titles = [charts.way_name(way) for way in compared.ways]
    way = compared.ways[0]
    pair = _predicted(compared) | {"pair": compared, "index": 0}
    return page.written(
        "comparison.html.jinja",
        _content(compared, titles),
        compared=compared,
        a=compared.a,
        b=compared.b,
        pairs=[pair],
        followers=[_follower(way, i) for i in range(len(way.directions))],
        ways=[{"name": title, "way": w} for title, w in zip(titles, compared.ways, strict=True)],
        targets=len(way.projections),
        train=way.directions.shape[1],
        exchanges=compared.exchanges,
        stronger=_stronger(compared.chance),
        shown=SHOWN,
    )


def _predicted(compared: Compared) -> dict[str, Any]:
    """What the page says of predictions; no `gap` where they are not known."""
    if not compared.known:
        return {"gap": None}
    a, b = compared.known.values()
    asked = len(compared.ways[0].projections)
    labels = np.zeros(asked, np.int64)
    classes: Sequence[str] = ()
    if compared.data:
        labels = compared.data.test.labels
        classes = compared.data.classes
    said = predictions.compared(a, b, labels, tuple(classes), np.zeros(asked, bool))
    return said | {
        "asked": asked,
        "by_margins": True,
        "by_class": "Margins above 0, by class",
        "is_right": "has a margin above 0",
        "right_is": RIGHT,
    }


def _stronger(chance: Chance | None) -> int:
    """Exchanges that give a direction as strong as the first."""
    return int((chance.exchanged >= chance.strongest).sum()) if chance else 0


def _follower(way: Way, i: int) -> str:
    """The side that direction i reaches further under."""
    return way.first if way.reach_a[i, 0] >= way.reach_b[i, 0] else way.second


def _content(compared: Compared, titles: list[str]) -> dict[str, Any]:
    """What the page's script reads: a study's content, without images if there are none."""
    entries = []
    for title, way in zip(titles, compared.ways, strict=True):
        directions = range(len(way.directions))
        entry = {
            "name": title,
            "directions": [_strips(compared.data, way, i) for i in directions],
            "about": [_about(compared, way, i) for i in directions],
        }
        entries.append(entry)
    beyond = _beyond(compared)
    pair = {
        "algorithms": [compared.a, compared.b],
        "ways": entries,
        "proposals": [],
        "disagreement": [page_content.disagreement_strips(beyond, [])] if compared.data else [],
    }
    content = {"images": {}, "labels": {}, "votes": {}, "side": 0}
    if compared.data:
        shown = page_content.examples([pair])
        content = page_content.of_examples(compared.data, dict(compared.known or {}), shown)
    return content | {
        "charts": _charts(compared, titles),
        "pairs": [pair],
        "influences": {},
        "planted": {"test": [], "train": []},
    }


def _beyond(compared: Compared) -> np.ndarray:
    """Targets that one side gets right more often than chance gives."""
    if not compared.known:
        return np.zeros(0, np.int64)
    a, b = compared.known.values()
    return predictions.disagreed(a, b)


def _strips(data: Dataset | None, way: Way, i: int) -> list[page_content.Strip]:
    return page_content.direction_strips(data, way, i) if data else []


def _charts(compared: Compared, titles: list[str]) -> dict[str, Any]:
    """Every chart by the name that the template gives it."""
    a = compared.a
    b = compared.b
    drawn = {"scatter-0": charts.scatter(a, b, compared.ways, titles)}
    if compared.chance:
        drawn["chance-0"] = histograms.chance(compared.chance)
    rows = _predicted(compared).get("classes")
    if rows:
        drawn["accuracy-0"] = charts.accuracy(a, b, rows, "Margins above 0")
    return drawn


def _about(compared: Compared, way: Way, i: int) -> str:
    """A direction in a few sentences."""
    reach_a = words.reach(way, "a", i)
    reach_b = words.reach(way, "b", i)
    tested = words.chance(way, i, compared.exchanges)
    said = f"Reach {reach_a} under {compared.a} and {reach_b} under {compared.b}; "
    said += f"{words.percent(way.explained[i])} of what differs. {tested}"
    if way.explained_by_chance(i):
        return f"{said} Its examples would be those of noise, so none are listed."
    targets = ", ".join(map(str, way.test_high[i][:SHOWN]))
    examples = ", ".join(map(str, way.train_high[i][:SHOWN]))
    return (
        f"{said} Targets at its positive end: {targets}. "
        f"Training examples that make it up: {examples}."
    )
