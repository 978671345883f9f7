"""Datamodels by multiplicative weights: one pass over the models, no sums over pairs of examples.

For each target, and each l1 norm that its weights may have, a distribution p over the columns
[x, -x, 0] is kept; the weights are norm * p. The gradient of a model's error says how well each
column would have done, as a loss in [0, 1]; then w <- w * beta^loss and p = w / sum(w) (Hedge).
Source: Klivans & Meka 2017 (arXiv 1706.06274, the Sparsitron); Chaturvedi & Scarlett 2020 (arXiv
2002.08663), for real targets. Three things differ here. Residuals are clipped at one standard
deviation of the target, so that losses are in [0, 1]; the paper divides by a bound of all
residuals, and learns little from each model (figures: benchmarks/LOG.md). The last weights are
taken, not the best on the way. The norm is not known: several are tried, and models that are held
out choose.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.core.errors import UserError
from modeldiff.datamodels.model import Datamodels

NAME = "multiplicative_weights"
NORMS = tuple(2.0**k for k in range(8))  # of weights on x, in standard deviations of the target
# Weights that are learned together. On a CPU they should stay in cache (2.6 times as fast).
TOGETHER = {"cpu": 1 << 18, "cuda": 1 << 26}
ROWS = 256  # models that are read at a time

# Some models: their masks, bool [models x examples], and margins, float [models x all targets].
Models = tuple[np.ndarray, np.ndarray]


def fit(
    masks: Any,
    margins: np.ndarray,
    choosing: np.ndarray,
    targets: np.ndarray,
    *,
    tolerance: float,
    device: str,
) -> Datamodels:
    """Fit the targets of these indices; other arguments as for `regression.fit`.

    choosing: bool [models], the models that choose norms; the others are learned from, in order.
    Every model is read once. Memory: as `stream`.
    """
    fitted = np.flatnonzero(~choosing)
    return stream(
        _read(masks, margins, fitted),
        _read(masks, margins, np.flatnonzero(choosing)),
        examples=masks.shape[1],
        targets=targets,
        expected=max(1, len(fitted)),
        tolerance=tolerance,
        device=device,
    )


def _read(masks: Any, margins: np.ndarray, models: np.ndarray) -> Iterator[Models]:
    """The models of these numbers, in order, a few at a time."""
    for start in range(0, len(models), ROWS):
        some = models[start : start + ROWS]
        yield masks[some], margins[some]


def stream(
    fitted: Iterable[Models],
    held_out: Iterable[Models],
    *,
    examples: int,
    targets: np.ndarray,
    expected: int,
    tolerance: float = 1e-6,
    device: str = "cpu",
) -> Datamodels:
    """Learn from models as they come; then others, that come after them, choose each norm.

    targets: indices of the columns of margins that are learned. A model with any margin that is not
    finite has failed. expected: about how many models `fitted` gives.
    Memory: 4 bytes x norms x targets x examples, and the models that come together; nothing grows
    with the number of models. UserError if all models of either kind failed, or there are none.
    """
    size = max(1, TOGETHER[torch.device(device).type] // (len(NORMS) * examples))
    learners = []
    for start in range(0, len(targets), size):
        learners.append(Learner(examples, targets[start : start + size], expected, device))
    failed = 0
    for masks, margins in fitted:
        finished = np.isfinite(margins).all(axis=1)
        failed += int((~finished).sum())
        for learner in learners:
            learner.learn(masks[finished], margins[finished])
    learned = learners[0].models
    if not learned:
        raise UserError("margins: no model has finite margins for every target: nothing to fit")
    chose = 0
    for masks, margins in held_out:
        finished = np.isfinite(margins).all(axis=1)
        failed += int((~finished).sum())
        chose += int(finished.sum())
        for learner in learners:
            learner.judge(masks[finished], margins[finished])
    if not chose:
        raise UserError(
            f"held_out: 0 of {learned} models would choose the norm; some models must choose it, "
            "and others must be fitted"
        )
    parts = []
    for learner in learners:
        weights, intercept, norm = learner.chosen()
        no_path = np.empty((len(norm), 0))
        parts.append(
            Datamodels(
                weights=weights.cpu().numpy(),
                intercept=intercept.cpu().numpy(),
                lambdas=norm.cpu().numpy(),
                gap=np.zeros(len(norm)),
                estimator=NAME,
                tolerance=tolerance,
                n_models=learned + chose,
                n_failed=failed,
                path=no_path,
                path_gap=no_path.astype(np.float32),
            )
        )
    return Datamodels.joined(parts)


class Learner:
    """What has been learned of some targets from the models that came so far.

    log_w: float32 [norms x targets x examples], the log of w of each x. Of -x it is the negative,
        and of 0 it is 0: a factor that all w share is left out.
    share: of the models that have each example, float64 [examples]; mean, variance: of the margins,
        float64 [targets]. errors: float64 [norms x targets], summed over the models that judge.
    """

    def __init__(self, examples: int, targets: np.ndarray, expected: int, device: str):
        """targets: indices. expected: models to come; the more, the less is learned from each."""
        self.targets = targets
        self.models = 0
        beta = 1 / (1 + np.sqrt(np.log(2 * examples + 1) / expected))
        self.rate = -float(np.log(beta))
        self.norms = torch.tensor(NORMS).to(device)
        self.log_w = torch.zeros(len(NORMS), len(targets), examples, device=device)
        self.share = torch.zeros(examples, dtype=torch.float64, device=device)
        self.mean = torch.zeros(len(targets), dtype=torch.float64, device=device)
        self.variance = torch.zeros_like(self.mean)
        self.errors = torch.zeros(len(NORMS), len(targets), dtype=torch.float64, device=device)

    def learn(self, masks: np.ndarray, margins: np.ndarray) -> None:
        """From models that did not fail: bool [models x examples], float [models x all targets]."""
        x, y = self._tensors(masks, margins)
        for mask, row in zip(x, y, strict=True):
            self._learn(mask, row)

    def _learn(self, mask: Tensor, margins: Tensor) -> None:
        self.models += 1
        self.share += (mask - self.share) / self.models
        before = margins - self.mean
        self.mean += before / self.models
        after = margins - self.mean
        self.variance += (before * after - self.variance) / self.models
        sd = self.variance.sqrt()
        y = torch.where(sd > 0, after / sd, 0).float()
        x = ((mask - self.share) / self._largest()).float()
        residual = self._bounded(self.norms[:, None] * (self._p() @ x) - y)
        # The loss of x is (1 + residual x) / 2, of -x it is (1 - residual x) / 2, of 0 it is 1/2.
        self.log_w.addcmul_(residual[:, :, None], x, value=-self.rate / 2)

    def _bounded(self, residuals: Tensor) -> Tensor:
        """Residuals, [norms x targets] in standard deviations, between -1 and 1."""
        return residuals.clamp(-1, 1)

    def judge(self, masks: np.ndarray, margins: np.ndarray) -> None:
        """Add up the errors on models that nothing is learned from."""
        x, y = self._tensors(masks, margins)
        weights, intercept = self._weights()
        for k in range(len(NORMS)):
            predicted = x.float() @ weights[k].T + intercept[k]
            self.errors[k] += (predicted - y).square().sum(0)

    def chosen(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, intercepts and norms of least error, in the units of mask and margin."""
        weights, intercept = self._weights()
        best = self.errors.argmin(0)
        each = torch.arange(len(best), device=best.device)
        return weights[best, each], intercept[best, each], self.norms[best] * self.variance.sqrt()

    def _weights(self) -> tuple[Tensor, Tensor]:
        """Of all norms: float32 [norms x targets x examples], float64 [norms x targets]."""
        unit = self.variance.sqrt()[:, None] / self._largest()
        weights = self._p() * self.norms[:, None, None] * unit.float()
        return weights, self.mean - weights.double() @ self.share

    def _p(self) -> Tensor:
        """p of x less p of -x, float32 [norms x targets x examples]."""
        top = self.log_w.abs().amax(-1, keepdim=True)  # so that nothing overflows
        plus = torch.exp(self.log_w - top)
        minus = torch.exp(-self.log_w - top)
        total = (plus + minus).sum(-1, keepdim=True) + torch.exp(-top)
        return plus.sub_(minus).div_(total)

    def _largest(self) -> Tensor:
        """The largest that a mask can be, less its mean: x is between -1 and 1."""
        return torch.maximum(self.share, 1 - self.share)

    def _tensors(self, masks: np.ndarray, margins: np.ndarray) -> tuple[Tensor, Tensor]:
        """float64 [models x examples] and [models x targets]."""
        x = torch.from_numpy(masks).to(self.log_w.device).double()
        y = torch.from_numpy(margins[:, self.targets].astype(np.float64)).to(x.device)
        return x, y
