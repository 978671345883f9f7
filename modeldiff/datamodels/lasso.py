"""The lasso of many targets on one shared Gram matrix: the problem and its certificate.

For each target, with Z the standardised masks and y of mean 0 and variance 1:
    minimise  P(v) = 1/(2m) |y - Zv|^2 + lambda |v|_1,
which needs of the data only R = Z'Z / m and c = Z'y / m. Any v gives a dual feasible point by
scaling its residual, hence a bound on how far P(v) is from the minimum: the duality gap, here
relative to the null objective P(0) = 1/2.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modeldiff.datamodels.blocking import blocks
from modeldiff.datamodels.gram import Cross, Gram


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
        share = gram.share()
        inverse = gram.inverse_deviation()
        mean = cross.total / m
        scale = (cross.square / m - mean * mean).clamp_min(0).sqrt()
        # What float32 margins round to is not variation.
        scale = torch.where(scale > 1e-7 * (cross.shift + mean).abs(), scale, 0)
        covariance = (cross.cross / m - mean[:, None] * share) * inverse
        c = covariance / torch.where(scale > 0, scale, torch.inf)[:, None]
        return cls(gram, c, cross.shift + mean, scale, share, inverse)

    def of_targets(self, which: Tensor) -> "Problem":
        """The same, of the targets of these indices."""
        return replace(self, c=self.c[which], mean=self.mean[which], scale=self.scale[which])

    def in_mask_units(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Weights, float32 [targets x examples], and intercepts, float64 [targets]."""
        weights = (v * self.inverse * self.scale[:, None]).float()
        return weights, self.mean - (weights.double() @ self.share)

    def rounded(self, v: Tensor) -> Tensor:
        """v, with its weights rounded to float32, as they are stored."""
        unit = (self.inverse * self.scale[:, None]).clamp_min(1e-300)
        return (v * unit).float().double() / unit

    def gradient(self, v: Tensor) -> Tensor:
        """Z'(y - Zv) / m in float64 [targets x examples], from the exact counts."""
        v = v.double()
        g = self.c.clone()
        for rows in blocks(len(self.share), len(self.share)):
            g -= v[:, rows] @ self.gram.covariance_rows(rows, self.inverse)
        return g


@dataclass(frozen=True)
class HeldOut:
    """What held-out models say, in the units of the problem that they judge.

    The mean squared error of v on them is square - 2 c'v + v'hv + (mean - bias'v)^2.
    h = gram.covariance(inverse): of the columns, float32 [examples x examples]; c: with the
    targets, float32 [targets x examples]; square, mean: of the targets, float64 [targets]; bias:
    mean of the columns, float64 [examples].
    """

    gram: Gram
    c: Tensor
    square: Tensor
    mean: Tensor
    bias: Tensor

    @classmethod
    def of(cls, gram: Gram, cross: Cross, problem: Problem) -> "HeldOut":
        """From the sums over the held-out models."""
        m = gram.models
        share = gram.share()
        scale = torch.where(problem.scale > 0, problem.scale, torch.inf)
        mean = cross.total / m
        c = (cross.cross / m - mean[:, None] * share) * problem.inverse / scale[:, None]
        return cls(
            gram=gram,
            c=c.float(),
            square=(cross.square / m - mean * mean) / scale**2,
            mean=(cross.shift + mean - problem.mean) / scale,
            bias=(share - problem.share) * problem.inverse,
        )

    def error(self, v: Tensor, which: Tensor, h: Tensor) -> Tensor:
        """Mean squared error of v, float32 [some targets x examples], of the targets `which`."""
        spread = (v * (v @ h - 2 * self.c[which])).sum(1)
        return self.square[which] + spread + (self.mean[which] - v.double() @ self.bias).square()


def gap(c: Tensor, g: Tensor, v: Tensor, penalty: Tensor) -> Tensor:
    """Duality gap relative to the null objective [targets], from the gradient g = c - Rv."""
    explained = (c * v).sum(1)
    kept = (v * g).sum(1)
    residual = (1 - explained - kept).clamp_min(1e-300)  # |y - Zv|^2 / m
    aligned = 1 - explained  # y'(y - Zv) / m
    largest = g.abs().amax(1).clamp_min(1e-300)
    dual = torch.minimum(aligned / residual, penalty / largest).clamp_min(0)
    primal = residual / 2 + penalty * v.abs().sum(1)
    return 2 * (primal - dual * aligned + dual * dual * residual / 2).clamp_min(0)
