"""Which figures a study will have, known before anything has run. No torch: Snakemake reads it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from modeldiff.study import Study
from modeldiff.study.stages import WAYS


class FigureFile(NamedTuple):
    """A figure: its kind, its file name in `figures/`, what it is of, and labels for people."""

    kind: str
    path: str
    of: tuple[Any, ...]
    labels: dict[str, str]


def figures(study: Study) -> Iterator[FigureFile]:
    """All figures of the study, in the order of the page."""
    for p, (a, b) in enumerate(study.pairs):
        pair = f"{a}-vs-{b}"
        labels = {"pair": f"{a} and {b}"}
        yield FigureFile("reach", f"reach-{pair}.svg", (p,), labels)
        for t in study.transformations if study.verified(a, b) else ():
            more = labels | {"transformation": t}
            yield FigureFile("effect", f"effect-{pair}-{t}.svg", (p, t), more)
        for w, way in enumerate(WAYS):
            for i in range(study.comparison.directions):
                name = f"{a} minus {b}" if w == 0 else f"{b} minus {a}"
                path = f"direction-{pair}-{way}-{i + 1:02d}.png"
                more = {"way": name, "direction": str(i + 1)}
                yield FigureFile("direction", path, (p, w, i), more)
    for name in study.fitted:
        yield FigureFile("lds", f"lds-{name}.svg", (name,), {"algorithm": name})
