"""The lasso of a block of targets: the choice of lambda, and the fit at the chosen lambda."""

from types import ModuleType

import torch
from torch import Tensor

from modeldiff.datamodels import fista
from modeldiff.datamodels.blocking import compiled
from modeldiff.datamodels.lasso import HeldOut, Problem
from modeldiff.datamodels.model import PATH_GAP

PATIENCE = 3  # points of the path without a smaller held-out error after which a target stops
RISE = 0.005  # relative rise of the held-out error over its smallest value that ends a path


def solver(device: torch.device) -> ModuleType:
    """The module that solves on a device: the same two functions, held to the same certificate."""
    if compiled(device):
        # Imported late, because its kernels are compiled.
        from modeldiff.datamodels import coordinate_descent

        return coordinate_descent
    return fista


def path_errors(problem: Problem, held: HeldOut, grid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared error on held-out models along each target's path.

    problem: of the models that are not held out; grid: float64 [targets x path], falling, in units
    of the margins, its first point about the penalty that gives v = 0.
    Returns float64 [targets x path], infinite past the point where a target stops because its error
    has risen by `RISE`, or not fallen for `PATIENCE` points (of several folds, only points that all
    reach can be chosen); v at the smallest error, float32 [targets x examples]; and the relative
    duality gaps, computed in float64 [targets x path], NaN past that point.
    """
    varies = problem.scale[:, None] > 0
    penalties = torch.where(varies, grid / problem.scale[:, None], 1.0)
    errors, best, gaps = solver(grid.device).path_errors(
        problem, held, penalties, PATH_GAP, PATIENCE, RISE
    )
    return torch.where(varies, errors * problem.scale[:, None] ** 2, 0.0), best, gaps


def refit(
    problem: Problem, penalties: Tensor, v: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Solve at one penalty per target (in units of the margins), starting at v, and certify.

    Returns v, float64 [targets x examples], such that its weights are float32 numbers, and the
    relative duality gaps in float64 [targets].
    """
    varies = problem.scale > 0
    penalty = torch.where(varies, penalties / problem.scale, 1.0)
    v, gaps = solver(v.device).refit(problem, penalty, problem.rounded(v.double()), tolerance)
    return v, gaps
