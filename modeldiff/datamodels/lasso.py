"""The lasso of many targets on one shared Gram matrix, and its certificate.

For each target, with Z the standardised masks and y of mean 0 and variance 1:
    minimise  P(v) = 1/(2m) |y - Zv|^2 + lambda |v|_1,
which needs of the data only R = Z'Z / m and c = Z'y / m. Any v gives a dual feasible point by
scaling its residual, hence a bound on how far P(v) is from the minimum: the duality gap, here
relative to the null objective P(0) = 1/2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from modeldiff.datamodels.gram import Cross, Gram, blocks

CHECK = 5  # proximal steps between two looks at the gap
FLOAT32_GAP = 1e-5  # a gap that float32 arithmetic reaches for certain


@dataclass(frozen=True)
class Problem:
    """The regressions of some targets over one set of models, in standardised units.

    c: correlation of each column with each target, float64 [targets x examples].
    mean, scale: of the targets, float64 [targets]; scale is 0 for a constant target.
    share, inverse: share of models with each example and 1 / sd, float64 [examples].
    """

    gram: Gram
    c: Tensor
    mean: Tensor
    scale: Tensor
    share: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, gram: Gram, cross: Cross) -> "Problem":
        """From the sums over the same models."""
        m = gram.models
        share, inverse = gram.share(), gram.inverse_deviation()
        mean = cross.total / m
        scale = (cross.square / m - mean * mean).clamp_min(0).sqrt()
        # What float32 margins round to is not variation.
        scale = torch.where(scale > 1e-7 * (cross.shift + mean).abs(), scale, 0)
        covariance = (cross.cross / m - mean[:, None] * share) * inverse
        c = covariance / torch.where(scale > 0, scale, torch.inf)[:, None]
        return cls(gram, c, cross.shift + mean, scale, share, inverse)

    def in_mask_units(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [targets x examples] and intercepts [targets] for 0/1 masks, float64."""
        weights = v.double() * self.inverse * self.scale[:, None]
        return weights, self.mean - weights @ self.share

    def rounded(self, v: Tensor) -> Tensor:
        """v, with its weights rounded to float32, as they are stored."""
        unit = (self.inverse * self.scale[:, None]).clamp_min(1e-300)
        return (v * unit).float().double() / unit

    def gradient(self, v: Tensor) -> Tensor:
        """Z'(y - Zv) / m in float64 [targets x examples], from the exact counts."""
        v = v.double()
        g = self.c.clone()
        for rows in blocks(len(self.share), len(self.share)):
            g -= v[:, rows] @ self.gram.correlation_rows(rows)
        return g


def gap(c: Tensor, g: Tensor, v: Tensor, penalty: Tensor) -> Tensor:
    """Duality gap relative to the null objective [targets], from the gradient g = c - Rv."""
    explained, kept = (c * v).sum(1), (v * g).sum(1)
    residual = (1 - explained - kept).clamp_min(1e-300)  # |y - Zv|^2 / m
    aligned = 1 - explained  # y'(y - Zv) / m
    largest = g.abs().amax(1).clamp_min(1e-300)
    dual = torch.minimum(aligned / residual, penalty / largest).clamp_min(0)
    primal = residual / 2 + penalty * v.abs().sum(1)
    return 2 * (primal - dual * aligned + dual * dual * residual / 2).clamp_min(0)


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
    r: Tensor, c: Tensor, penalty: Tensor, v: Tensor, tolerance: float, steps: int = 2000
) -> Tensor:
    """Accelerated proximal gradient (FISTA with restarts) for all targets together.

    r [examples x examples], c and start v [targets x examples], penalty [targets], in one type of
    float and on one device. A target is dropped when its gap is at most `tolerance`; after `steps`
    the rest are returned as they are.
    Source: Beck & Teboulle 2009; restarts by O'Donoghue & Candes 2015.
    """
    result = v.clone()
    step = 1 / largest_eigenvalue(r)
    left = torch.arange(len(v), device=v.device)
    rv = v @ r
    z, rz, momentum = v, rv, torch.ones_like(penalty)
    for count in range(steps):
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


def fit(problem: Problem, penalties: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Solve at one penalty per target (in units of the margins) and certify in float64.

    Returns v, float64 [targets x examples], such that its weights are float32 numbers, and the
    relative duality gaps [targets].
    """
    v = torch.zeros_like(problem.c)
    gaps = torch.zeros_like(problem.scale)
    some = (problem.scale > 0).nonzero()[:, 0]
    c, penalty = problem.c[some], (penalties / problem.scale)[some]
    coarse = max(tolerance, FLOAT32_GAP)
    x = torch.zeros_like(c, dtype=torch.float32)
    x = solve(problem.gram.correlation(), c.float(), penalty.float(), x, coarse).double()
    if tolerance < coarse:
        x = solve(problem.gram.correlation_rows(slice(None)), c, penalty, x, tolerance / 2)
    v[some] = x
    v = problem.rounded(v)
    gaps[some] = gap(problem.c, problem.gradient(v), v, penalties / problem.scale)[some]
    return v, gaps
