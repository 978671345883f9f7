"""Figures as files: what `snakemake --report` and papers show. The same study, the same bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from modeldiff import files
from modeldiff.report import names
from modeldiff.report.results import Results

# Okabe & Ito's palette: told apart by every eye. One colour per way, one per algorithm.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = "osD^vP"
LABELLED = 5  # first directions, that carry their rank in the scatter
SHOWN = 10  # examples of each end in a gallery
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "modeldiff",  # ids that do not change from run to run
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
            figure = DRAW[kind](results, *of)
            suffix = Path(path).suffix[1:]
            made: dict[str, Any] = {"Date": None} if suffix == "svg" else {"Software": None}
            with files.artefact(results.folder / "figures" / path, key) as file:
                figure.savefig(file, format=suffix, metadata=made, dpi=130)


def variance(results: Results, p: int) -> Figure:
    """Variance of both algorithms' datamodels along each direction, both ways."""
    pair = results.pairs[p]
    figure, axes = _figure(5.2, 4.8)
    largest = 0.0
    for way, colour, mark in zip(pair.ways, COLOURS, MARKS, strict=False):
        x, y = way.variance_a * 100, way.variance_b * 100
        largest = max(largest, x.max(), y.max())
        label = f"{way.first} minus {way.second}"
        axes.scatter(x, y, color=colour, marker=mark, s=34, label=label, zorder=3)
        for i in range(min(LABELLED, len(x))):
            axes.annotate(str(i + 1), (x[i], y[i]), (4, 4), textcoords="offset points", fontsize=8)
    axes.plot([0, largest * 1.05], [0, largest * 1.05], color="#777777", lw=1, ls="--")
    axes.set(xlabel=f"Variance under {pair.a} (%)", ylabel=f"Variance under {pair.b} (%)")
    axes.set_title("Directions that set the algorithms apart", loc="left")
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
    """Effect of a feature on both algorithms against its strength, with 95% intervals."""
    pair = results.pairs[p]
    figure, axes = _figure(5.6, 3.8)
    table = pair.effects
    rows = table[(table["transformation"] == transformation) & (table["over"] == "both")]
    rows = rows[rows["measure"] == "softmax"]
    for name, colour, mark in zip((pair.a, pair.b), COLOURS, MARKS, strict=False):
        own = rows[rows["algorithm"] == name]
        x, y = own["strength"].to_numpy(), own["effect"].to_numpy() * 100
        low, high = own["low"].to_numpy() * 100, own["high"].to_numpy() * 100
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(x, y, color=colour, marker=mark, label=name)
    axes.axhline(0, color="#777777", lw=1)
    target = rows["class"].iloc[0]
    axes.set(xlabel=f"Strength of {transformation}", ylabel=f"Change of p({target}), points")
    axes.set_title(f"What {transformation} does", loc="left")
    axes.legend()
    return figure


def gallery(results: Results, p: int, w: int, i: int) -> Figure:
    """Test and training examples at both ends of a direction."""
    way = results.pairs[p].ways[w]
    data, row = results.data, np.searchsorted
    score, own = way.projections[:, i], way.directions[i]
    strips = [
        (f"Test examples, {end} end", data.test, chosen[:SHOWN], score[row(data.targets, chosen)])
        for end, chosen in (("high", way.test_high[i]), ("low", way.test_low[i]))
    ] + [
        (f"Training examples, {end} end", data.train, chosen[:SHOWN], own[chosen])
        for end, chosen in (("high", way.train_high[i]), ("low", way.train_low[i]))
    ]
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{way.first} minus {way.second}, direction {i + 1}", x=0.01, ha="left")
    for axes, (title, split, chosen, scores) in zip(figure.subplots(4), strips, strict=True):
        _strip(axes, split.images[chosen], [data.classes[c] for c in split.labels[chosen]], scores)
        axes.set_title(title, loc="left", fontsize=9)
    return figure


def _strip(axes: Any, images: np.ndarray, labels: Sequence[str], scores: np.ndarray) -> None:
    """Images side by side, class and score under each."""
    # Grey between the images: on white, a white mark at the edge of one would not be seen.
    pad = max(1, images.shape[3] // 16)
    around = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    tiles = np.pad(colour(images.astype(np.float32) / 255), around, constant_values=0.55)
    axes.imshow(np.concatenate(list(tiles), axis=1), interpolation="nearest")
    width = tiles.shape[2]
    axes.set_anchor("W")
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    ticks = [f"{c[:14]}\n{s:+.3f}" for c, s in zip(labels, scores, strict=False)]
    axes.set_xticks(np.arange(len(images)) * width + width / 2 - 0.5, ticks, fontsize=7)
    axes.tick_params(length=0)


def colour(images: np.ndarray) -> np.ndarray:
    """Images [n x channels x height x width] as [n x height x width x 3]: three channels as red,
    green and blue, any other number as the mean's grey.
    """
    if images.shape[1] != 3:
        images = np.repeat(images.mean(1, keepdims=True), 3, axis=1)
    return images.transpose(0, 2, 3, 1)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


DRAW: dict[str, Callable[..., Figure]] = {
    "variance": variance,
    "effect": effect,
    "direction": gallery,
    "lds": lds,
}
