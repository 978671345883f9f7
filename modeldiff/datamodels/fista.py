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
    r, c, h = problem.gram.correlation(), problem.c.float(), held.gram.covariance(problem.inverse)
    step = 1 / largest_eigenvalue(r)
    errors, gaps = torch.full_like(penalties, torch.inf), torch.full_like(penalties, torch.nan)
    v, best = torch.zeros_like(c), torch.zeros_like(c)
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
    gram, c = problem.gram, problem.c
    coarse, r = max(tolerance, FLOAT32_GAP), gram.correlation()
    step = 1 / largest_eigenvalue(r)
    v = solve(r, c.float(), penalty.float(), v.float(), step, coarse).double()
    if tolerance < coarse:
        r = gram.covariance_rows(slice(None), problem.inverse)
        v = solve(r, c, penalty, v, step, tolerance / 2)
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
    z, rz, momentum = v, rv, torch.ones_like(penalty)
    for count in range(STEPS):
        if count % CHECK == 0:
            done = gap(c, c - rv, v, penalty) <= tolerance
            result[left] = v
            if done.all():
                return result
            if done.any():
                keep = ~done
                left, c, penalty, momentum = left[keep], c[keep], penalty[keep], momentum[keep]
                v, rv, z, rz = v[keep], rv[keep], z[keep], rz[keep]
        new = z + step * (c - rz)
        new = new.sign() * (new.abs() - step * penalty[:, None]).clamp_min(0)
        rnew = new @ r
        uphill = ((z - new) * (new - v)).sum(1) > 0
        momentum = torch.where(uphill, 1.0, momentum)
        following = (1 + (1 + 4 * momentum * momentum).sqrt()) / 2
        beta = ((momentum - 1) / following)[:, None]
        z, rz = new + beta * (new - v), rnew + beta * (rnew - rv)
        v, rv, momentum = new, rnew, following
    result[left] = v
    return result
