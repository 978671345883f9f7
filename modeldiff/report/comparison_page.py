"""The page of two score files compared: no images, no effects, for there is no data set."""

from dataclasses import fields
from typing import Any

import numpy as np

from modeldiff.report import charts, page, words
from modeldiff.report.results import Way

SHOWN = 12  # examples listed at the positive end


def render(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> str:
    """One self-contained HTML page.

    ways: as `score_comparison.compare` returns them.
    """
    a, b = names
    (forth_name, forth), (back_name, back) = ways.items()
    both = (_way(forth_name, a, b, forth), _way(back_name, b, a, back))
    titles = [charts.way_name(way) for way in both]
    return page.written(
        "comparison.html.jinja",
        _content(both, names),
        a=a,
        b=b,
        ways=[{"name": title, "way": way} for title, way in zip(titles, both, strict=True)],
        targets=len(both[0].projections),
        train=both[0].directions.shape[1],
        shown=SHOWN,
    )


def _way(name: str, first: str, second: str, arrays: dict[str, np.ndarray]) -> Way:
    """One way as that of a study, in which nothing was tested."""
    known = dict(arrays)
    known["significant"] = np.zeros(len(arrays["directions"]), bool)
    known["second_follows"] = arrays["b_follows"]
    content = {field.name: known[field.name] for field in fields(Way)[3:]}
    return Way(name, first, second, **content)


def _content(ways: tuple[Way, Way], names: tuple[str, str]) -> dict[str, Any]:
    """What the page's script reads: a study's content without images."""
    a, b = names
    titles = [charts.way_name(way) for way in ways]
    entries = []
    for title, way in zip(titles, ways, strict=True):
        entry = {
            "name": title,
            "directions": [[] for _ in way.directions],
            "about": [_about(way, i, names) for i in range(len(way.directions))],
        }
        entries.append(entry)
    return {
        "charts": {"scatter-0": charts.scatter(a, b, ways, titles)},
        "pairs": [{"algorithms": [a, b], "ways": entries}],
        "influences": {},
        "images": {},
        "labels": {},
        "votes": {},
        "planted": {"test": [], "train": []},
        "side": 0,
    }


def _about(way: Way, i: int, names: tuple[str, str]) -> str:
    """A direction in a few sentences."""
    a, b = names
    targets = ", ".join(map(str, way.test_high[i][:SHOWN]))
    examples = ", ".join(map(str, way.train_high[i][:SHOWN]))
    reach_a = words.reach(way, "a", i)
    reach_b = words.reach(way, "b", i)
    return (
        f"Reach {reach_a} under {a} and {reach_b} under {b}; {words.percent(way.explained[i])} of "
        f"what differs. Not tested against chance. Targets at its positive end: {targets}. "
        f"Training examples that make it up: {examples}."
    )
