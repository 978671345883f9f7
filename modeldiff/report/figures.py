"""Figures as files: what `snakemake --report` and papers show. The same study, the same bytes."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from modeldiff.core import artifacts
from modeldiff.report import gallery, names
from modeldiff.report.results import Results

# Okabe & Ito's palette: told apart by every eye. One colour per way, one per algorithm.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = "osD^vP"
LABELLED = 3  # first directions, that carry their rank in the scatter
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "modeldiff",  # ids that do not change from run to run
    "svg.fonttype": "none",  # text that can be read, searched and edited
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    # Names come from users: "$" is a dollar, not mathematics.
    "text.parse_math": False,
}


def write(results: Results) -> None:
    """Write every figure into `figures/` of the study's folder, one at a time."""
    key = results.study.key("report")
    with mpl.rc_context(STYLE):
        for kind, path, of, _ in names.figures(results.study):
            with artifacts.write(results.folder / "figures" / path, key) as file:
                if kind == "direction":
                    gallery.draw(results, *of).save(file, "PNG")
                else:
                    figure = DRAW[kind](results, *of)
                    figure.savefig(file, format="svg", metadata={"Date": None})


def reaches(a: np.ndarray, b: np.ndarray, significant: np.ndarray, *names: str) -> Any:
    """Axes of how far two algorithms' weights reach along each direction, numbered from 1.

    a, b: float [directions]; significant: bool [directions], the others are faint.
    """
    with mpl.rc_context(STYLE):
        _, axes = _figure(5.2, 4.8)
        _diagonal(axes, float(max(a.max(), b.max())))
        opacity = np.where(significant, 1.0, 0.3)
        axes.scatter(a, b, color=COLOURS[0], alpha=opacity, s=34, zorder=3)
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            axes.annotate(str(i + 1), (x, y), (4, 4), textcoords="offset points", fontsize=8)
        _name_reaches(axes, *names)
    return axes


def _diagonal(axes: Any, largest: float) -> None:
    """Where both reach equally far."""
    axes.plot([0, largest * 1.05], [0, largest * 1.05], color="#777777", lw=1, ls="--")


def _name_reaches(axes: Any, a: str, b: str) -> None:
    axes.set(xlabel=f"Reach under {a}", ylabel=f"Reach under {b}")
    axes.set_title("Directions that set the algorithms apart", loc="left")


def reach(results: Results, p: int) -> Figure:
    """How far both algorithms' datamodels reach along each direction, both ways."""
    pair = results.pairs[p]
    figure, axes = _figure(5.2, 4.8)
    largest = 0.0
    for way, colour, mark in zip(pair.ways, COLOURS, MARKS, strict=False):
        x = way.reach_a[:, 0]
        y = way.reach_b[:, 0]
        largest = max(largest, x.max(), y.max())
        label = f"{way.first} minus {way.second}"
        axes.scatter(x, y, color=colour, marker=mark, s=34, label=label, zorder=3)
        for i in range(min(LABELLED, len(x))):
            axes.annotate(str(i + 1), (x[i], y[i]), (4, 4), textcoords="offset points", fontsize=8)
    _diagonal(axes, largest)
    _name_reaches(axes, pair.a, pair.b)
    axes.legend()
    return figure


def lds(results: Results, name: str) -> Figure:
    """How well an algorithm's datamodels predict: the score of each target, beside its ceiling."""
    algorithm = results.algorithms[name]
    figure, axes = _figure(5.6, 3.4)
    score = algorithm.lds
    axes.hist(score.per_target, bins=30, color=COLOURS[5], edgecolor="white")
    axes.axvspan(score.low, score.high, color=COLOURS[0], alpha=0.3, lw=0)
    text = f"mean {score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]"
    axes.axvline(score.mean, color=COLOURS[0], label=text)
    if np.isfinite(score.ceiling):
        text = f"ceiling {score.ceiling:.2f}"
        axes.axvline(score.ceiling, color=COLOURS[1], ls="--", label=text)
    axes.set(xlabel="LDS of a test example (rank correlation)", ylabel="Test examples")
    axes.set_title(f"How well the datamodels of {algorithm.name} predict", loc="left")
    axes.legend()
    return figure


def effect(results: Results, p: int, transformation: str) -> Figure:
    """Effect of a feature on a pair's algorithms against its strength, with 95% intervals."""
    pair = results.pairs[p]
    figure, axes = _figure(5.6, 3.8)
    table = pair.effects
    rows = table[(table["transformation"] == transformation) & (table["over"] == "both")]
    rows = rows[rows["measure"] == "softmax"]
    names = zip(rows["algorithm"].unique(), cycle(COLOURS), cycle(MARKS), strict=False)
    for name, colour, mark in names:
        of_algorithm = rows[rows["algorithm"] == name]
        x = of_algorithm["strength"].to_numpy()
        y = of_algorithm["effect"].to_numpy() * 100
        low = of_algorithm["low"].to_numpy() * 100
        high = of_algorithm["high"].to_numpy() * 100
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(x, y, color=colour, marker=mark, label=name)
    axes.axhline(0, color="#777777", lw=1)
    target = rows["class"].iloc[0]
    axes.set(xlabel=f"Strength of {transformation}", ylabel=f"Change of p({target}), points")
    axes.set_title(f"What {transformation} does", loc="left")
    axes.legend()
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


DRAW: dict[str, Callable[..., Figure]] = {
    "reach": reach,
    "effect": effect,
    "lds": lds,
}
