"""Fit datamodels: one linear regression per target, all on the same masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.core.errors import UserError
from modeldiff.datamodels import closed_form, custom_estimator
from modeldiff.datamodels.gram import Cross, blocks, read
from modeldiff.datamodels.gram_cache import FAILED, Grams
from modeldiff.datamodels.lambda_path import path_errors, refit
from modeldiff.datamodels.lasso import HeldOut, Problem
from modeldiff.datamodels.model import Datamodels

ESTIMATORS = ("lasso", "ridge", "ols", "difference")
# Targets fitted together, which bounds memory at examples x block. A GPU reads all masks for each.
TARGET_BLOCK = {"cpu": 1024, "cuda": 4096}


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
    grams: Grams | None = None,
) -> Datamodels:
    """Regress margins on masks: a separate regression for each target, all computed together.

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
        each example; or the import path of your own (see
        `modeldiff.datamodels.custom_estimator`), to which only `targets` of the settings below
        applies.
    tolerance: of the relative duality gap of the returned weights, computed in float64.
    held_out: models that choose lambda: a share (None: 0.1; spread evenly, so models 9, 19, ...),
        or their indices. folds: instead, K-fold cross-validation (model i in fold i modulo K).
    device: where torch computes, "cpu" or "cuda".
    targets: indices of the targets to fit (None: all), for one job per block of targets.
    grams: `Grams.of` the same masks and margins, which such jobs share; they then say which models
        choose lambda, so that held_out and folds are left out.

    Memory: (4 + parts) examples^2 float32, where parts is 2, or folds; 10 examples x targets
    float64, for at most 1,024 targets at a time (4,096 on a GPU); and the result. Masks and margins
    are read in blocks. 20,000 models x 5,000 examples x 1,000 targets take 1.3 GiB (measured).
    Raises UserError for shapes that do not match and settings that make no sense.
    """
    if estimator not in ESTIMATORS and ":" not in estimator:
        raise UserError(
            f"estimator: {estimator!r} must be {', '.join(ESTIMATORS)} or an import path"
        )
    if len(masks.shape) != 2 or len(margins.shape) != 2 or masks.shape[0] != margins.shape[0]:
        raise UserError(
            f"masks {tuple(masks.shape)} and margins {tuple(margins.shape)}: must be [models x "
            "examples] and [models x targets] of the same models"
        )
    if (kind := masks[:1].dtype) != np.bool_:
        raise UserError(f"masks: are {kind}, must be bool (True: trained on the example)")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device: {device!r} cannot be used here: {error}") from None
    if not (path >= 2 and 0 < min_ratio < 1 and tolerance > 0 and penalty > 0):
        raise UserError(
            f"path {path}, min_ratio {min_ratio}, tolerance {tolerance}, penalty {penalty}: "
            "must be at least 2, between 0 and 1, above 0, above 0"
        )
    chosen = np.arange(margins.shape[1]) if targets is None else np.asarray(targets, int)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= margins.shape[1]:
        raise UserError(f"targets: must be indices from 0 to {margins.shape[1] - 1}, at least one")
    if ":" in estimator:
        return custom_estimator.fit(masks, margins, estimator, chosen, tolerance)
    if grams is None:
        grams = Grams.of(masks, margins, held_out, folds, device)
    elif held_out is not None or folds is not None:
        raise UserError(
            "grams: already say which models choose lambda; leave out held_out and folds"
        )
    if grams.part.shape != margins.shape[:1] or len(grams.parts[0].counts) != masks.shape[1]:
        raise UserError(
            f"grams: are of {len(grams.part)} models and {len(grams.parts[0].counts)} examples, "
            f"the masks of {masks.shape[0]} and {masks.shape[1]}: extend them, or sum them again"
        )
    used = grams.part != FAILED
    if not used.any():
        raise UserError("margins: no model has finite margins for every target: nothing to fit")
    choosing = [gram.models for gram in (grams.parts[k] for k in grams.choosing)]
    if estimator == "lasso" and not all(0 < models < used.sum() for models in choosing):
        raise UserError(
            f"held_out: {choosing} of {used.sum()} models would choose lambda; some "
            "models must choose it, and others must be fitted"
        )
    gram = sum(grams.parts[1:], start=grams.parts[0])
    done = []
    size = TARGET_BLOCK[torch.device(device).type]
    for start in range(0, len(chosen), size):
        block = chosen[start : start + size]
        shift = _shift(margins, used, block).to(device)
        cross = Cross.of(masks, margins, used, shift, block)
        problem = Problem.of(gram, cross)
        penalties = torch.full_like(problem.scale, penalty if estimator == "ridge" else 0)
        grid = worst = problem.c[:, :0]
        if estimator == "lasso":
            largest = (problem.c.abs().amax(1) * problem.scale)[:, None]
            exponents = torch.arange(path, dtype=torch.float64, device=device) / (path - 1)
            grid = largest * min_ratio**exponents
            errors, worst = torch.zeros_like(grid), torch.zeros_like(grid)
            for k in grams.choosing:
                held_cross = Cross.of(masks, margins, grams.part == k, shift, block)
                rest = Problem.of(grams.rest(gram, k), cross - held_cross)
                held = HeldOut.of(grams.parts[k], held_cross, rest)
                fold_errors, v, fold_gaps = path_errors(rest, held, grid)
                errors += fold_errors
                worst = torch.maximum(worst, fold_gaps)  # NaN where one fold stopped
            penalties = grid.gather(1, errors.argmin(1, keepdim=True))[:, 0]
            v, gaps = refit(problem, penalties, v, tolerance)
        else:
            v, gaps = closed_form.solve(problem, estimator, penalty)
        in_mask_units = problem.in_mask_units(v)
        found = (*in_mask_units, penalties, gaps, grid, worst.float())
        done.append([x.cpu().numpy() for x in found])
    weights, intercept, lambdas, gap, *steps = [np.concatenate(x) for x in zip(*done, strict=True)]
    counts = gram.models, int((~used).sum())
    return Datamodels(weights, intercept, lambdas, gap, estimator, tolerance, *counts, *steps)


def _shift(margins: np.ndarray, used: np.ndarray, targets: np.ndarray) -> Tensor:
    """A number near each target's mean, float64 [targets]: its mean over the first models."""
    rows = next(rows for rows in blocks(len(used), margins.shape[1]) if used[rows].any())
    return read(margins, rows, targets)[torch.from_numpy(used[rows])].mean(0)
