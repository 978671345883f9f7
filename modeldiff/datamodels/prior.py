"""Ridge that shrinks weights towards a prior, such as influences by gradients, not towards zero.

For each target, in the units of `lasso.Problem`, w the prior's weights:
    minimise  1/(2m) |y - Zv|^2 + penalty / 2 |v - coefficient w|^2.
Its solution, (R + penalty I)^-1 (c + coefficient penalty w), is linear in the coefficient, so that
its squared error on held-out models is a parabola in it. One coefficient and one penalty serve all
targets. Where no coefficient above 0 predicts better than plain ridge, plain ridge it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from modeldiff.datamodels.blocking import blocks
from modeldiff.datamodels.lasso import HeldOut, Problem

SAMPLE = 256  # targets on which both are chosen, spread evenly: the same for every share of them
TRIED = (1, 3, 10, 30, 100)  # penalties, times plain ridge's: a good prior deserves more


class Shrinkage(NamedTuple):
    """Ridge's penalty, on standardised columns, and by what the prior is multiplied."""

    penalty: float
    coefficient: float


class Parabola(NamedTuple):
    """A squared error by the prior's coefficient: constant + slope x + curvature x^2."""

    constant: float
    slope: float
    curvature: float

    def lowest(self) -> float:
        """The coefficient, not below 0, of the smallest error."""
        if self.curvature <= 0:
            return 0.0
        return max(0.0, -self.slope / (2 * self.curvature))

    def at(self, x: float) -> float:
        return self.constant + self.slope * x + self.curvature * x * x


def sampled(targets: int) -> np.ndarray:
    """Indices of the targets on which the shrinkage is chosen."""
    return np.unique(np.linspace(0, targets - 1, min(SAMPLE, targets)).round().astype(int))


def standardised(prior: np.ndarray, problem: Problem) -> Tensor:
    """Weights [targets x examples] in the units of the problem, float64; 0 for constant targets."""
    weights = torch.from_numpy(np.asarray(prior, np.float64)).to(problem.c.device)
    unit = problem.inverse * problem.scale[:, None]
    return torch.where(unit > 0, weights / unit, 0)


def held_out_errors(
    rest: Problem, held: HeldOut, prior: np.ndarray, penalty: float
) -> list[Parabola]:
    """The error on held-out models by the coefficient, for each penalty in turn.

    rest: of the models that are fitted; prior: weights of its targets; penalty: plain ridge's.
    """
    w = standardised(prior, rest)
    found = []
    for times in TRIED:
        p = penalty * times
        r = rest.gram.covariance_rows(slice(None), rest.inverse)
        r.diagonal().add_(p)
        factor = torch.linalg.cholesky(r)
        plain = torch.cholesky_solve(rest.c.T, factor).T
        pulled = p * torch.cholesky_solve(w.T, factor).T
        found.append(_parabola(held, rest.inverse, plain, pulled))
    return found


def _parabola(held: HeldOut, inverse: Tensor, plain: Tensor, pulled: Tensor) -> Parabola:
    """The mean squared error of plain + x pulled, summed over targets; see `HeldOut`."""
    n = len(inverse)
    through = torch.zeros_like(pulled)  # pulled h
    spread = torch.zeros_like(plain)  # plain h
    for rows in blocks(n, n):
        h = held.gram.covariance_rows(rows, inverse)
        through += pulled[:, rows] @ h
        spread += plain[:, rows] @ h
    missed = held.mean - plain @ held.bias
    moved = pulled @ held.bias
    constant = held.square + (plain * (spread - 2 * held.c)).sum(1) + missed.square()
    slope = 2 * ((through * plain).sum(1) - (pulled * held.c).sum(1) - missed * moved)
    curvature = (through * pulled).sum(1) + moved.square()
    return Parabola(float(constant.sum()), float(slope.sum()), float(curvature.sum()))


def best(parts: Sequence[Sequence[Parabola]], penalty: float) -> Shrinkage:
    """The penalty and coefficient of the smallest error, summed over parts of the models.

    parts: what `held_out_errors` returned for each part; penalty: plain ridge's.
    """
    chosen = Shrinkage(penalty, 0.0)
    least = sum(part[0].constant for part in parts)
    for i, times in enumerate(TRIED):
        total = Parabola(*np.sum([part[i] for part in parts], axis=0).tolist())
        coefficient = total.lowest()
        if coefficient > 0 and total.at(coefficient) < least:
            least = total.at(coefficient)
            chosen = Shrinkage(penalty * times, coefficient)
    return chosen
