"""The estimators without a path: ridge, ordinary least squares, difference of means."""

import torch
from torch import Tensor

from modeldiff.datamodels.lasso import Problem


def solve(
    problem: Problem, estimator: str, penalty: float, towards: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Weights on standardised columns, float64 [targets x examples], and gaps [targets].

    towards: weights [targets x examples] that ridge shrinks towards.
    The gap is the exact distance from the minimum, relative to the null objective: half of
    g' H^-1 g, g the gradient at the solution and H = R (+ penalty) the curvature.
    """
    if estimator == "difference":
        # mean(y | in) - mean(y | out) = cov(x, y) / var(x), so on standardised columns it is c.
        return problem.c, torch.zeros_like(problem.scale)
    r = problem.gram.covariance_rows(slice(None), problem.inverse)
    if estimator == "ridge":
        r.diagonal().add_(penalty)
        factor = torch.linalg.cholesky(r)
        v = torch.cholesky_solve((problem.c + penalty * towards).T, factor).T
        g = problem.gradient(v) - penalty * (v - towards)
        return v, (g * torch.cholesky_solve(g.T, factor).T).sum(1)
    # Masks of one fixed size always leave R one direction without variation: drop those.
    values, vectors = torch.linalg.eigh(r)
    inverse = torch.where(values > len(r) * 1e-13 * values[-1].clamp_min(1), 1 / values, 0)

    def least_norm(x: Tensor) -> Tensor:
        return x @ vectors * inverse @ vectors.T

    v = least_norm(problem.c)
    g = problem.gradient(v)
    return v, (g * least_norm(g)).sum(1)
