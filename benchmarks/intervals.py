"""Do the 95% intervals cover? Simulations whose truth is known, of each kind of interval.

python benchmarks/intervals.py --output docs/intervals.md
"""

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy
from scipy.stats import binomtest

from modeldiff import datamodels, subsets
from modeldiff.comparison.agreement import agreement
from modeldiff.comparison.contrast import T_CRITICAL
from modeldiff.comparison.jackknife import Along
from modeldiff.comparison.paired_ridge import Paired, Ridge
from modeldiff.core import artifacts
from modeldiff.core.axes import principal_axes
from modeldiff.verification import interval

HEADER = """# How often the 95% intervals cover

A 95% interval should contain the truth 95 times in 100. `python benchmarks/intervals.py` checks
this for each kind of interval on a page, in simulations whose truth is known. As in a contrast,
variances are measured on one half of the models, along the direction that the other half finds.
"""

PENALTY = 2.0  # the contrast's own
MANY = 20_000  # fresh subsets that stand for all


def effects(runs: int) -> Iterator[tuple[str, np.ndarray]]:
    """Effects of models on images: skewed, with a part of each model's and of each image's own."""
    for models, images in ((2, 150), (3, 150), (5, 150), (10, 150), (50, 150)):
        hits = {over: np.zeros(runs, bool) for over in ("models", "images", "both")}
        for run in range(runs):
            rng = np.random.default_rng((1, models, images, run))
            own_model = 0.05 * rng.standard_t(6, models)
            own_image = 0.1 * (rng.exponential(size=images) - 1)
            moved = 0.08 + own_model[:, None] + own_image + 0.2 * rng.normal(size=(models, images))
            truth = {
                "models": 0.08 + own_image.mean(),
                "images": 0.08 + own_model.mean(),
                "both": 0.08,
            }
            for over, hit in hits.items():
                low, high = interval(moved, over)
                hit[run] = low <= truth[over] <= high
        for over, hit in hits.items():
            yield f"effect, {models} models, {images} images, over {over}", hit


def scores(runs: int) -> Iterator[tuple[str, np.ndarray]]:
    """LDS of one set of datamodels, on evaluation subsets drawn again and again."""
    examples, targets, repeats = 100, 30, 2
    rng = np.random.default_rng(2)
    weights = rng.standard_t(4, (examples, targets))
    mixing = rng.normal(size=(3, targets))

    def margins(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Linear, plus what the mean over examples does not tell, plus noise shared by targets."""
        noise = rng.normal(size=(len(masks), 3)) @ mixing + rng.normal(size=(len(masks), targets))
        return masks @ weights + 0.3 * (masks[:, :10] @ weights[:10]) ** 2 + 3 * noise

    fitted = subsets.draw(examples, range(400), 0.5, 0)
    found = datamodels.fit(fitted, margins(fitted, rng), estimator="ridge")
    many = np.repeat(subsets.draw(examples, range(MANY), 0.5, 1), repeats, 0)
    truth = datamodels.lds(found, many, margins(many, rng)).mean
    for n in (25, 75, 500):
        hits = np.zeros(runs, bool)
        for run in range(runs):
            own = np.random.default_rng((5, n, run))
            masks = np.repeat(subsets.draw(examples, range(n), 0.5, 10 + run), repeats, 0)
            score = datamodels.lds(found, masks, margins(masks, own))
            hits[run] = score.low <= truth <= score.high
        yield f"LDS, {n} subsets of {repeats} models, {targets} targets", hits


def spread(runs: int) -> Iterator[tuple[str, np.ndarray]]:
    """Variances along the direction that one half of the models finds, on the other half."""
    for models, examples, size in ((400, 60, 3.0), (400, 300, 3.0), (400, 300, 0.0)):
        hits = []
        fixed = np.random.default_rng(3)
        targets = 30
        shared = fixed.normal(size=(examples, targets))
        mixing = fixed.normal(size=(3, targets))
        plant = np.zeros_like(shared)
        plant[:5, :8] = size
        truths = (shared + plant).T, shared.T
        for run in range(runs):
            rng = np.random.default_rng((4, models, examples, run))
            masks = subsets.draw(examples, range(models), 0.5, run)
            margins = [
                masks @ weights.T
                + 3 * rng.normal(size=(models, 3)) @ mixing
                + 3 * rng.normal(size=(models, targets))
                for weights in truths
            ]
            paired = Paired.of(masks, *margins)
            ridges = [Ridge(masks, chosen, PENALTY) for chosen in paired.halves()]
            halves = [ridge.weights(ridge.covariances(paired)) for ridge in ridges]
            measured, expected = [], []
            for one, other in ((0, 1), (1, 0)):
                direction = principal_axes(halves[one][0] - halves[one][1], 1)
                along = Along.of(paired, ridges[other], halves[other], direction)
                measured.append(along.variances())
                expected.append(noiseless(masks, ridges[other], truths, halves[other], direction))
            mean = np.mean([estimate for estimate, _ in measured], 0)
            half_width = T_CRITICAL * np.linalg.norm([error for _, error in measured], axis=0) / 2
            hits.append(np.abs(mean - np.mean(expected, 0))[:, 0] <= half_width[:, 0])
        for name, hit in zip("AB", np.transpose(hits), strict=True):
            yield (
                f"variance under {name}, {models} models, {examples} examples, plant {size:g}",
                hit,
            )


def agreements(runs: int) -> Iterator[tuple[str, np.ndarray]]:
    """How alike two algorithms are whose weights differ a little everywhere, or not at all."""
    for models, examples, other in ((300, 60, 0.0), (300, 60, 0.6), (200, 400, 0.6)):
        fixed = np.random.default_rng(7)
        targets = 30
        shared, own = fixed.normal(size=(2, examples, targets))
        mixing = fixed.normal(size=(3, targets))
        truths = shared, shared + other * own
        a, b = (weights - weights.mean(0) for weights in truths)
        truth = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
        hits = np.zeros(runs, bool)
        for run in range(runs):
            rng = np.random.default_rng((8, models, examples, run))
            masks = subsets.draw(examples, range(models), 0.5, run)
            margins = []
            for weights in truths:
                noise = rng.normal(size=(models, 3)) @ mixing + rng.normal(size=(models, targets))
                margins.append(
                    masks @ weights + 4 * noise * np.exp(rng.normal(size=(models, 1)) / 2)
                )
            paired = Paired.of(masks, *margins)
            ridge = Ridge(masks, paired.used, PENALTY)
            found = agreement(ridge, paired, ridge.covariances(paired), 1.0)
            hits[run] = found.low <= truth <= found.high
        yield f"agreement of {truth:.2f}, {models} models, {examples} examples", hits


def noiseless(
    masks: np.ndarray,
    ridge: Ridge,
    truths: tuple[np.ndarray, np.ndarray],
    fitted: tuple[np.ndarray, np.ndarray],
    direction: np.ndarray,
) -> np.ndarray:
    """Variances [2 x 1] of the weights that such fits have on average, at the norms of those found.

    Over subsets, all images being alike, a ridge fit keeps the same part of each weight, and
    nothing of their mean, since all subsets are equally large.
    """
    x = masks[ridge.chosen] - ridge.share
    kept = (ridge.inverse * (x.T @ x)).sum() / ridge.models / (masks.shape[1] - 1)
    found = []
    for weights, rows in zip(truths, fitted, strict=True):
        expected = kept * (weights - weights.mean(1, keepdims=True))
        along = expected @ direction.T / np.linalg.norm(rows, axis=1, keepdims=True)
        found.append(along.var(0))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--output", type=Path, help="where the table goes (markdown)")
    options = parser.parse_args()
    lines = ["| interval | covers | 95% interval of that |", "|---|---|---|"]
    for kind in (effects, scores, spread, agreements):
        for what, hits in kind(options.runs):
            share = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
            lines.append(f"| {what} | {hits.mean():.1%} | {share.low:.1%} to {share.high:.1%} |")
            print(lines[-1], flush=True)
    text = (
        HEADER
        + "\n"
        + "\n".join(lines)
        + f"\n\n{options.runs} simulations each; numpy {np.__version__}, scipy "
    )
    text += f"{scipy.__version__}; {platform.machine()}, {os.cpu_count()} cores\n"
    if options.output:
        with artifacts.atomic_write(options.output) as file:
            file.write(text.encode())


if __name__ == "__main__":
    main()
