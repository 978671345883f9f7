"""Fit datamodels: one linear regression per target, all on the same masks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from modeldiff.core import arguments
from modeldiff.core.errors import UserError
from modeldiff.datamodels import closed_form, custom_estimator, multiplicative_weights
from modeldiff.datamodels.blocking import blocks
from modeldiff.datamodels.gram import Cross, Gram, read
from modeldiff.datamodels.gram_cache import FAILED, Grams, choosing
from modeldiff.datamodels.lambda_path import path_errors, refit
from modeldiff.datamodels.lasso import HeldOut, Problem
from modeldiff.datamodels.model import Datamodels
from modeldiff.datamodels.prior import Shrinkage, best, held_out_errors, sampled, standardised

ESTIMATORS = ("lasso", "ridge", "ols", "difference", multiplicative_weights.NAME)
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
    prior: np.ndarray | None = None,
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
        each example; "multiplicative_weights", which goes through the models once and needs no
        `grams` (see there): `held_out` choose the norm; or the import path of your own (see
        `modeldiff.datamodels.custom_estimator`), to which only `targets` of the settings below
        applies.
    tolerance: of the relative duality gap of the returned weights, computed in float64.
    held_out: models that choose lambda: a share (None: 0.1; spread evenly, so models 9, 19, ...),
        or their indices. folds: instead, K-fold cross-validation (model i in fold i modulo K).
    device: where torch computes, "cpu" or "cuda".
    targets: indices of the targets to fit (None: all), for one job per block of targets.
    grams: `Grams.of` the same masks and margins, which such jobs share; they then say which models
        choose lambda, so that held_out and folds are left out.
    prior: what ridge shrinks weights towards, float [targets of all margins x examples], such as
        influences by gradients; only their proportions matter. The models that would choose lambda
        choose by how much, and the penalty (see `modeldiff.datamodels.prior`).

    Memory: (4 + parts) examples^2 float32, where parts is 2, or folds; 10 examples x targets
    float64, for at most 1,024 targets at a time (4,096 on a GPU); and the result. Masks and margins
    are read in blocks. 20,000 models x 5,000 examples x 1,000 targets take 1.3 GiB (measured).
    Raises UserError for shapes that do not match and settings that make no sense.
    """
    _check(masks, margins, estimator, path, min_ratio, tolerance, penalty, device)
    if prior is not None:
        _check_prior(prior, estimator, (margins.shape[1], masks.shape[1]))
    chosen = np.arange(margins.shape[1]) if targets is None else np.asarray(targets, int)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= margins.shape[1]:
        raise UserError(f"targets: must be indices from 0 to {margins.shape[1] - 1}, at least one")
    if ":" in estimator:
        return custom_estimator.fit(masks, margins, estimator, chosen, tolerance)
    if estimator == multiplicative_weights.NAME:
        if folds is not None:
            raise UserError(f"folds: {estimator} goes through the models once; leave it out")
        return multiplicative_weights.fit(
            masks,
            margins,
            choosing(len(margins), held_out),
            chosen,
            tolerance=tolerance,
            device=device,
        )
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
    in_turn = [grams.parts[k].models for k in grams.choosing]
    chooses = estimator == "lasso" or prior is not None
    if chooses and not all(0 < models < used.sum() for models in in_turn):
        raise UserError(
            f"held_out: {in_turn} of {used.sum()} models would choose lambda; some "
            "models must choose it, and others must be fitted"
        )
    total = sum(grams.parts[1:], start=grams.parts[0])
    shrinkage = Shrinkage(penalty, 0.0)
    if prior is not None:
        shrinkage = _shrinkage(masks, margins, prior, total, grams, penalty)
    size = TARGET_BLOCK[torch.device(device).type]
    parts = []
    for start in range(0, len(chosen), size):
        block = chosen[start : start + size]
        shift = _shift(margins, used, block).to(device)
        cross = Cross.of(masks, margins, used, shift, block)
        problem = Problem.of(total, cross)
        if estimator == "lasso":
            grid = _path(problem, path, min_ratio)
            solution = _lasso(problem, cross, grid, masks, margins, block, grams, tolerance)
        else:
            towards: Tensor | float = 0.0
            if prior is not None:
                towards = shrinkage.coefficient * standardised(prior[block], problem)
            v, gaps = closed_form.solve(problem, estimator, shrinkage.penalty, towards)
            used_penalty = shrinkage.penalty if estimator == "ridge" else 0.0
            no_path = problem.c[:, :0]
            penalties = torch.full_like(problem.scale, used_penalty)
            solution = Solution(v, penalties, gaps, no_path, no_path)
        weights, intercept = problem.in_mask_units(solution.v)
        parts.append(
            Datamodels(
                weights=weights.cpu().numpy(),
                intercept=intercept.cpu().numpy(),
                lambdas=solution.penalties.cpu().numpy(),
                gap=solution.gaps.cpu().numpy(),
                estimator=estimator,
                tolerance=tolerance,
                n_models=total.models,
                n_failed=int((~used).sum()),
                path=solution.path.cpu().numpy(),
                path_gap=solution.path_gaps.float().cpu().numpy(),
                prior=shrinkage.coefficient,
            )
        )
    return Datamodels.joined(parts)


class Solution(NamedTuple):
    """Solutions of the regressions of some targets, in standardised units.

    v: [targets x examples]; penalties, gaps: float64 [targets]; path, path_gaps: float64 [targets x
    path], the penalties that were tried and the largest gap at each, without columns if none were.
    """

    v: Tensor
    penalties: Tensor
    gaps: Tensor
    path: Tensor
    path_gaps: Tensor


def _path(problem: Problem, points: int, min_ratio: float) -> Tensor:
    """The penalties to choose from, in units of the margins: float64 [targets x points].

    lambda_k = lambda_max min_ratio^(k / (points - 1)); from lambda_max = max |c| on, v is 0.
    """
    largest = (problem.c.abs().amax(1) * problem.scale)[:, None]
    exponents = torch.arange(points, dtype=torch.float64, device=largest.device) / (points - 1)
    return largest * min_ratio**exponents


def _lasso(
    problem: Problem,
    cross: Cross,
    grid: Tensor,
    masks: Any,
    margins: np.ndarray,
    targets: np.ndarray,
    grams: Grams,
    tolerance: float,
) -> Solution:
    """Choose each target's penalty of `grid` on held-out models, and fit at it on all.

    problem, cross: of all models, for `targets`.
    """
    errors = torch.zeros_like(grid)
    worst = torch.zeros_like(grid)
    for k in grams.choosing:
        held_cross = Cross.of(masks, margins, grams.part == k, cross.shift, targets)
        rest = Problem.of(grams.rest(problem.gram, k), cross - held_cross)
        held = HeldOut.of(grams.parts[k], held_cross, rest)
        fold_errors, v, fold_gaps = path_errors(rest, held, grid)
        errors += fold_errors
        worst = torch.maximum(worst, fold_gaps)  # NaN where one fold stopped
    penalties = grid.gather(1, errors.argmin(1, keepdim=True))[:, 0]
    v, gaps = refit(problem, penalties, v, tolerance)
    return Solution(v, penalties, gaps, grid, worst)


def _shrinkage(
    masks: Any,
    margins: np.ndarray,
    prior: np.ndarray,
    total: Gram,
    grams: Grams,
    penalty: float,
) -> Shrinkage:
    """Choose by how much weights shrink towards the prior, on held-out models."""
    targets = sampled(margins.shape[1])
    used = grams.part != FAILED
    shift = _shift(margins, used, targets).to(total.counts.device)
    cross = Cross.of(masks, margins, used, shift, targets)
    errors = []
    for k in grams.choosing:
        held_cross = Cross.of(masks, margins, grams.part == k, shift, targets)
        rest = Problem.of(grams.rest(total, k), cross - held_cross)
        held = HeldOut.of(grams.parts[k], held_cross, rest)
        errors.append(held_out_errors(rest, held, prior[targets], penalty))
    return best(errors, penalty)


def _check_prior(prior: np.ndarray, estimator: str, shape: tuple[int, int]) -> None:
    """UserError for a prior that does not match, or an estimator that takes none."""
    if estimator != "ridge":
        raise UserError(f"prior: is for ridge, not for {estimator}")
    if prior.shape != shape:
        raise UserError(f"prior: has shape {prior.shape}; must be [targets x examples], {shape}")
    if not np.isfinite(prior).all():
        raise UserError("prior: holds numbers that are not finite")


def _check(
    masks: Any,
    margins: np.ndarray,
    estimator: str,
    path: int,
    min_ratio: float,
    tolerance: float,
    penalty: float,
    device: str,
) -> None:
    """UserError for arguments of `fit` that do not match or make no sense."""
    if not isinstance(estimator, str) or (estimator not in ESTIMATORS and ":" not in estimator):
        raise UserError(
            f"estimator: {estimator!r} must be {', '.join(ESTIMATORS)} or an import path"
        )
    arguments.masks("masks", masks)
    arguments.margins("margins", margins)
    if masks.shape[0] != margins.shape[0]:
        raise UserError(
            f"masks {tuple(masks.shape)} and margins {tuple(margins.shape)}: must be [models x "
            "examples] and [models x targets] of the same models"
        )
    arguments.torch_device("device", device)
    arguments.whole("path", path, 2)
    arguments.above_0("tolerance", tolerance)
    arguments.above_0("penalty", penalty)
    if arguments.above_0("min_ratio", min_ratio) >= 1:
        raise UserError(f"min_ratio: is {min_ratio}; must be between 0 and 1")


def _shift(margins: np.ndarray, used: np.ndarray, targets: np.ndarray) -> Tensor:
    """A number near each target's mean, float64 [targets]: its mean over the first models."""
    rows = next(rows for rows in blocks(len(used), margins.shape[1]) if used[rows].any())
    return read(margins, rows, targets)[torch.from_numpy(used[rows])].mean(0)
