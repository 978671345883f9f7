"""Accelerated proximal gradient for all targets together: matrix products, on any device."""

import torch
from torch import Tensor

from modeldiff.datamodels.lasso import HeldOut, Problem, gap

STEPS = 2000  # at most, for one penalty
CHECK = 5  # steps between two looks at the gap
FLOAT32_GAP = 1e-5  # a gap that float32 arithmetic reaches for certain


def path_errors(
    problem: Problem, held: HeldOut, penalties: Tensor, tolerance: float, patience: int, rise: float
) -> tuple[Tensor, Tensor, Tensor]:
    """See `lambda_path.path_errors`."""
    r = problem.gram.correlation()
    c = problem.c.float()
    h = held.gram.covariance(problem.inverse)
    step = 1 / largest_eigenvalue(r)
    errors = torch.full_like(penalties, torch.inf)
    gaps = torch.full_like(penalties, torch.nan)
    v = torch.zeros_like(c)
    best = torch.zeros_like(c)
    going = torch.arange(len(c), device=c.device)
    for point in range(penalties.shape[1]):
        penalty = penalties[going, point]
        v[going] = solve(r, c[going], penalty.float(), v[going], step, tolerance)
        gaps[going, point] = certified(problem.of_targets(going), v[going], penalty)
        error = held.error(v[going], going, h)
        better = going[error < errors[going].amin(1)]
        errors[going, point] = error
        best[better] = v[better]
        smallest, at = errors[going].min(1)
        going = going[(point - at < patience) & (error <= (1 + rise) * smallest)]
        if not len(going):
            break
    return errors, best, gaps


def refit(problem: Problem, penalty: Tensor, v: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """See `lambda_path.refit`."""
    r = problem.gram.correlation()
    step = 1 / largest_eigenvalue(r)
    coarse = max(tolerance, FLOAT32_GAP)
    v = solve(r, problem.c.float(), penalty.float(), v.float(), step, coarse).double()
    if tolerance < coarse:
        r = problem.gram.covariance_rows(slice(None), problem.inverse)
        v = solve(r, problem.c, penalty, v, step, tolerance / 2)
    v = problem.rounded(v)
    return v, certified(problem, v, penalty)


def certified(problem: Problem, v: Tensor, penalty: Tensor) -> Tensor:
    """`lasso.gap` in float64, from the exact counts."""
    return gap(problem.c, problem.gradient(v), v.double(), penalty)


def largest_eigenvalue(r: Tensor) -> float:
    """Of a positive semidefinite matrix, by power iteration, with a margin of 2%."""
    x = torch.ones(len(r), dtype=r.dtype, device=r.device)
    x += torch.arange(len(r), dtype=r.dtype, device=r.device) / len(r)  # not an eigenvector
    norm = x.norm()
    for _ in range(50):
        x = r @ (x / norm.clamp_min(1e-30))
        norm = x.norm()
    return max(1.02 * float(norm), 1e-30)


def solve(
    r: Tensor, c: Tensor, penalty: Tensor, v: Tensor, step: float, tolerance: float
) -> Tensor:
    """Accelerated proximal gradient (FISTA with restarts) for all targets together.

    r [examples x examples], c and start v [targets x examples], penalty [targets], in one type of
    float and on one device; step: at most 1 / the largest eigenvalue of r. A target is dropped when
    its gap is at most `tolerance`; after `STEPS` the rest are returned as they are.
    Source: Beck & Teboulle 2009; restarts by O'Donoghue & Candes 2015.
    """
    result = v.clone()
    left = torch.arange(len(v), device=v.device)
    rv = v @ r
    z = v
    rz = rv
    momentum = torch.ones_like(penalty)
    for count in range(STEPS):
        if count % CHECK == 0:
            done = gap(c, c - rv, v, penalty) <= tolerance
            result[left] = v
            if done.all():
                return result
            if done.any():
                keep = ~done
                left = left[keep]
                c = c[keep]
                penalty = penalty[keep]
                momentum = momentum[keep]
                v = v[keep]
                rv = rv[keep]
                z = z[keep]
                rz = rz[keep]
        # A gradient step, then soft thresholding: v = sign(u) max(|u| - step * penalty, 0).
        new = z + step * (c - rz)
        new = new.sign() * (new.abs() - step * penalty[:, None]).clamp_min(0)
        rnew = new @ r
        uphill = ((z - new) * (new - v)).sum(1) > 0
        momentum = torch.where(uphill, 1.0, momentum)
        following = (1 + (1 + 4 * momentum * momentum).sqrt()) / 2
        beta = ((momentum - 1) / following)[:, None]
        z = new + beta * (new - v)
        rz = rnew + beta * (rnew - rv)
        v = new
        rv = rnew
        momentum = following
    result[left] = v
    return result
