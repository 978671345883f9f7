"""The choice of lambda: a path per target on some models, judged by the margins of others."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.datamodels import lasso
from modeldiff.datamodels.gram import blocks, read
from modeldiff.datamodels.lasso import Problem

PATH_TOLERANCE = 1e-4  # gap at which a point of the path is good enough to be judged
PATIENCE = 3  # points of the path without a smaller held-out error before a target stops


def path_errors(
    problem: Problem, grid: Tensor, masks: Any, margins: np.ndarray, held: np.ndarray, targets: Any
) -> Tensor:
    """Mean squared error on the models where `held` is True along each target's path.

    problem: of the models that are not held out; grid: float64 [targets x path], falling, in units
    of the margins. Returns float64 [targets x path], infinite past the point where a target stops
    because its error has not fallen for `PATIENCE` points.
    """
    errors = torch.full_like(grid, torch.inf)
    r, c = problem.gram.correlation(), problem.c.float()
    penalties = grid / problem.scale.clamp_min(1e-300)[:, None]
    v = torch.zeros_like(c)
    going = (problem.scale > 0).nonzero()[:, 0]
    for point in range(grid.shape[1]):
        if point:  # at the first point, the largest penalty, nothing enters
            penalty = penalties[going, point].float()
            v[going] = lasso.solve(r, c[going], penalty, v[going], PATH_TOLERANCE)
        errors[going, point] = held_out_error(
            problem, v[going], going, masks, margins, held, targets
        )
        stale = point - errors[going].argmin(1) >= PATIENCE
        going = going[~stale]
        if not len(going):
            break
    return errors


def held_out_error(
    problem: Problem,
    v: Tensor,
    which: Tensor,
    masks: Any,
    margins: np.ndarray,
    held: np.ndarray,
    targets: np.ndarray,
) -> Tensor:
    """Mean squared error of weights v, rows `which` of the problem, on held-out models."""
    weights = v.double() * problem.inverse * problem.scale[which, None]
    intercept = problem.mean[which] - weights @ problem.share
    total = torch.zeros_like(intercept)
    columns = targets[which.cpu().numpy()]
    for rows in blocks(len(held), max(margins.shape[1], masks.shape[1])):
        if held[rows].any():
            x = torch.from_numpy(masks[rows][held[rows]]).to(v.device, torch.float32)
            y = read(margins, rows, columns, v.device)[torch.from_numpy(held[rows])]
            total += (y - intercept - x @ weights.T.float()).square().sum(0)
    return total / int(held.sum())
