"""Fit datamodels: one linear regression per target, all on the same masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.datamodels import linear
from modeldiff.datamodels.gram import Cross, Gram, blocks, finished, read
from modeldiff.datamodels.lasso import Held, Problem
from modeldiff.datamodels.model import Datamodels
from modeldiff.datamodels.selection import path_errors, refit
from modeldiff.errors import UserError

ESTIMATORS = ("lasso", "ridge", "ols", "difference")
TARGET_BLOCK = 1024  # targets fitted together; bounds memory at examples x block


def fit(
    masks: Any,
    margins: np.ndarray,
    *,
    estimator: str = "lasso",
    path: int = 20,
    min_ratio: float = 0.01,
    tolerance: float = 1e-6,
    held_out: float | Sequence[int] | np.ndarray | None = None,
    folds: int | None = None,
    penalty: float = 0.1,
    device: str = "cpu",
    targets: Sequence[int] | np.ndarray | None = None,
) -> Datamodels:
    """Regress margins on masks, each target for itself, all targets at once.

    The lasso minimises 1/(2m) |y - b - Zv|^2 + lambda |v|_1 over v and b, Z the standardised mask
    columns (population standard deviation); weights = v / sd. lambda is chosen per target on a
    geometric path of `path` points from the smallest penalty that gives v = 0 down to `min_ratio`
    of it, by the squared error on held-out models; then the target is fitted again on all models.
    Source: datamodels paper (arXiv 2202.00622), section 3, and its published code.

    masks: bool [models x examples], an array or anything with `.shape` that gives a bool array when
        sliced by a range of rows (`modeldiff.subsets.Masks`).
    margins: float [models x targets] of any precision, usually memory-mapped. A model with a margin
        that is not finite has failed: it is left out, and counted.
    estimator: "lasso"; "ridge", which minimises 1/(2m) |y - b - Zv|^2 + `penalty` / 2 |v|^2; "ols",
        the least-squares solution of least norm; "difference" of mean margins with and without
        each example.
    tolerance: of the relative duality gap of the returned weights, computed in float64.
    held_out: models that choose lambda: a share (None: 0.1; spread evenly, so models 9, 19, ...),
        or their indices. folds: instead, K-fold cross-validation (model i in fold i modulo K).
    device: where torch computes, "cpu" or "cuda".
    targets: indices of the targets to fit (None: all), for one job per block of targets.

    Memory: examples^2 and examples x 1,024 targets, a few of each, whatever the number of models;
    masks and margins are read in blocks.
    Raises UserError for shapes that do not match and settings that make no sense.
    """
    if estimator not in ESTIMATORS:
        raise UserError(f"estimator: {estimator!r} is none of {', '.join(ESTIMATORS)}")
    if len(masks.shape) != 2 or len(margins.shape) != 2 or masks.shape[0] != margins.shape[0]:
        raise UserError(
            f"masks {tuple(masks.shape)} and margins {tuple(margins.shape)}: must be [models x "
            "examples] and [models x targets] of the same models"
        )
    if not (path >= 2 and 0 < min_ratio < 1 and tolerance > 0 and penalty > 0):
        raise UserError(
            f"path {path}, min_ratio {min_ratio}, tolerance {tolerance}, penalty {penalty}: "
            "must be at least 2, between 0 and 1, above 0, above 0"
        )
    chosen = np.arange(margins.shape[1]) if targets is None else np.asarray(targets, int)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= margins.shape[1]:
        raise UserError(f"targets: must be indices from 0 to {margins.shape[1] - 1}, at least one")
    used = finished(masks, margins)
    gram = Gram.of(masks, used, device)
    held = _held_out(used, held_out, folds) if estimator == "lasso" else []
    held_grams = [Gram.of(masks, part, device) for part in held]
    done = []
    for start in range(0, len(chosen), TARGET_BLOCK):
        block = chosen[start : start + TARGET_BLOCK]
        shift = _shift(margins, used, block).to(device)
        cross = Cross.of(masks, margins, used, shift, block)
        problem = Problem.of(gram, cross)
        penalties = torch.full_like(problem.scale, penalty if estimator == "ridge" else 0)
        if estimator == "lasso":
            largest = (problem.c.abs().amax(1) * problem.scale)[:, None]
            steps = torch.arange(path, dtype=torch.float64, device=device) / (path - 1)
            grid = largest * min_ratio**steps
            errors = torch.zeros_like(grid)
            for part, held_gram in zip(held, held_grams, strict=True):
                held_cross = Cross.of(masks, margins, part, shift, block)
                rest = Problem.of(gram - held_gram, cross - held_cross)
                judge = Held.of(held_gram, held_cross, rest)
                fold_errors, v = path_errors(rest, judge, grid)
                errors += fold_errors
            penalties = grid.gather(1, errors.argmin(1, keepdim=True))[:, 0]
            v, gaps = refit(problem, penalties, v, tolerance)
        else:
            v, gaps = linear.solve(problem, estimator, penalty)
        in_mask_units = problem.in_mask_units(v)
        done.append([x.cpu().numpy() for x in (*in_mask_units, penalties, gaps)])
    weights, intercept, lambdas, gap = [np.concatenate(x) for x in zip(*done, strict=True)]
    failed = int((~used).sum())
    return Datamodels(weights, intercept, lambdas, gap, estimator, tolerance, gram.models, failed)


def _held_out(
    used: np.ndarray, held_out: float | Sequence[int] | np.ndarray | None, folds: int | None
) -> list[np.ndarray]:
    """The models that judge a path, bool [models], for one or several folds.

    Model i's part depends on i alone, so that models that join later leave the others in theirs.
    """
    index = np.arange(len(used))
    if folds is not None:
        if held_out is not None or folds < 2:
            raise UserError(f"folds: {folds} must be at least 2, and held_out not given beside it")
        parts = [index % folds == fold for fold in range(folds)]
    elif held_out is None or np.ndim(held_out) == 0:
        share = 0.1 if held_out is None else float(held_out)  # type: ignore[arg-type]
        if not 0 < share < 1:
            raise UserError(f"held_out: {share} is not a share of the models, between 0 and 1")
        parts = [np.floor((index + 1) * share + 1e-9) > np.floor(index * share + 1e-9)]
    else:
        parts = [np.isin(index, held_out)]
    parts = [part & used for part in parts]
    if any(not part.any() or part.sum() == used.sum() for part in parts):
        raise UserError(
            f"held_out: of {used.sum()} models, some must choose lambda and the others be fitted"
        )
    return parts


def _shift(margins: np.ndarray, used: np.ndarray, targets: np.ndarray) -> Tensor:
    """A number near each target's mean, float64 [targets]: its mean over the first models."""
    rows = next(rows for rows in blocks(len(used), margins.shape[1]) if used[rows].any())
    return read(margins, rows, targets)[torch.from_numpy(used[rows])].mean(0)
