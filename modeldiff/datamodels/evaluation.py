"""The linear datamodeling score (LDS) of datamodels, and the ceiling that noise puts on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.core import arguments, student
from modeldiff.core.errors import UserError, described
from modeldiff.datamodels.blocking import blocks
from modeldiff.datamodels.model import Datamodels

GROUPS = 50  # of subsets that the jackknife leaves out in turn


@dataclass(frozen=True)
class Lds:
    """How well datamodels rank subsets by the margins of models trained on them.

    per_target: float64 [targets], Spearman correlation over subsets of predicted and true margin.
    mean, low, high: mean over targets and its 95% interval, over the random choice of subsets.
    ceiling_per_target, ceiling: the correlation that the exact expected margins would reach on
        average, for each target and over all; NaN where no subset was trained twice.
    n_subsets, repeats: different subsets, and models per subset (mean).
    n_silent: targets whose datamodel predicts the same for all subsets; their correlation is 0.
    n_failed: models left out because a margin is not finite.
    """

    per_target: np.ndarray
    mean: float
    low: float
    high: float
    ceiling_per_target: np.ndarray
    ceiling: float
    n_subsets: int
    repeats: float
    n_silent: int
    n_failed: int


def lds(datamodels: Datamodels, masks: Any, margins: np.ndarray) -> Lds:
    """Score datamodels on models that no fit has seen.

    masks: bool [models x examples], as for `fit`. Models of equal masks are repeats of one subset,
    trained with other seeds: their mean margin is the truth, and their spread the noise.
    margins: float [models x targets].

    The interval is a deterministic jackknife over (groups of) subsets with Student's t. The ceiling
    comes from a one-way analysis of variance per target. With s2 the variance between subsets and
    e2 that between repeats, r = s2 / (s2 + e2 / repeats) is the reliability of the truth, sqrt(r)
    the highest Pearson correlation, and 6/pi asin(sqrt(r)/2) the highest Spearman correlation if
    margins are nearly normal. The ceiling over all targets uses the mean of their r, in which an r
    below 0 is kept: otherwise pure noise would have a ceiling above 0. It is too low for skewed
    noise (lognormal, 75 subsets of 2 repeats: 0.47 for a true 0.54), and too high for targets whose
    noise differs much (0.63 for 0.60).
    Memory: subsets x targets, a few times.
    Source: Park et al. 2023 (TRAK, arXiv 2303.14186) for the score; Shrout & Fleiss 1979.
    Raises UserError for shapes that do not match, or fewer than 3 subsets.
    """
    if not isinstance(datamodels, Datamodels):
        raise UserError(f"datamodels: is {described(datamodels)}; must be what `fit` returns")
    arguments.masks("masks", masks)
    arguments.margins("margins", margins)
    expected = (masks.shape[0], len(datamodels.weights))
    if tuple(margins.shape) != expected:
        raise UserError(f"margins: are {tuple(margins.shape)}, not {expected} [models x targets]")
    finite = np.isfinite(margins).all(axis=1)
    n_examples = masks.shape[1]
    parts = [np.packbits(masks[rows], axis=1) for rows in blocks(len(margins), n_examples)]
    packed = np.concatenate(parts)[finite]
    _, first, subset = np.unique(
        packed.view(f"V{packed.shape[1]}")[:, 0], return_index=True, return_inverse=True
    )
    if len(first) < 3:
        raise UserError(f"masks: hold {len(first)} subsets with margins; the LDS needs 3 or more")
    values = np.asarray(margins[finite], np.float64)
    counts = np.bincount(subset)
    truth = _sums(values, subset) / counts[:, None]
    different_masks = np.unpackbits(packed[first], axis=1, count=n_examples).view(bool)
    predicted = datamodels.predict(different_masks)
    per_target = spearman(predicted, truth)
    mean = float(per_target.mean())
    half = _half_interval(predicted, truth)
    reliability = _reliability(values, truth, subset, counts)
    return Lds(
        per_target=per_target,
        mean=mean,
        low=max(mean - half, -1.0),
        high=min(mean + half, 1.0),
        ceiling_per_target=_ceiling(reliability),
        ceiling=float(_ceiling(reliability.mean())),
        n_subsets=len(first),
        repeats=float(counts.mean()),
        n_silent=int((np.ptp(predicted, axis=0) == 0).sum()),
        n_failed=int((~finite).sum()),
    )


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation of each column of a with that of b; 0 where one of them is constant."""
    a = pd.DataFrame(a).rank().to_numpy() - (len(a) + 1) / 2
    b = pd.DataFrame(b).rank().to_numpy() - (len(b) + 1) / 2
    norm = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return (a * b).sum(axis=0) / np.where(norm > 0, norm, np.inf)


def _sums(values: np.ndarray, subset: np.ndarray) -> np.ndarray:
    """Sum of the rows of each subset, [subsets x targets]."""
    order = np.argsort(subset, kind="stable")
    starts = np.searchsorted(subset[order], np.arange(subset.max() + 1))
    return np.add.reduceat(values[order], starts, axis=0)


def _half_interval(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Half the width of the 95% interval of the mean score, by leaving groups of subsets out."""
    groups = min(len(truth), GROUPS)
    group = np.arange(len(truth)) % groups
    left_out = np.empty(groups)
    for g in range(groups):
        kept = group != g
        left_out[g] = spearman(predicted[kept], truth[kept]).mean()
    # Variance of a jackknife over k groups: (k - 1) / k * sum of (mean without group - mean)^2.
    error = np.sqrt((groups - 1) / groups * np.square(left_out - left_out.mean()).sum())
    return float(student.ppf(0.975, groups - 1) * error)


def _ceiling(reliability: np.ndarray) -> np.ndarray:
    """The highest Spearman correlation with a truth of this reliability, if all is normal."""
    return 6 / np.pi * np.arcsin(np.sqrt(np.maximum(reliability, 0)) / 2)


def _reliability(
    values: np.ndarray, truth: np.ndarray, subset: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Reliability of each target's truth (see `lds`), at most 1; below 0 by chance.

    Subsets may be repeated unequally often. NaN where no subset was trained twice.
    """
    models = len(values)
    subsets = len(counts)
    if models == subsets:
        return np.full(values.shape[1], np.nan)
    within = np.square(values - truth[subset]).sum(axis=0) / (models - subsets)
    spread = counts[:, None] * np.square(truth - values.mean(axis=0))
    between = spread.sum(axis=0) / (subsets - 1)
    typical = (models - (counts**2).sum() / models) / (subsets - 1)
    signal = (between - within) / typical
    noise = within * (1 / counts).mean()
    total = signal + noise
    return np.divide(signal, total, out=np.zeros_like(total), where=total > 0)
