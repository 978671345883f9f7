"""What retraining on opposite halves says of a proposal.

Of one model, y is the sum of its margins on the targets, weighted as the proposal says. The effect
under an algorithm is the mean of y over models trained on the high half, less that over models
trained on the low half. Two algorithms differ along a proposal if their effects do. All these
models are new, and independent given the halves: nothing that made the proposal is used again, so
that the interval of a difference of means holds, however the proposal was searched for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

PROOF_LEVEL = 0.05  # of all proposals of a pair together
FEW = 1 / 4  # of the larger effect: what is surely smaller counts as next to nothing
VERDICTS = {
    "only": "{more} follows it, {less} hardly",
    "more": "{more} follows it {times:.1f} times as far as {less}",
    "opposite": "the two follow it in opposite ways",
    "alike": "both follow it alike",
    "open": "not decided",
}


@dataclass(frozen=True)
class Effect:
    """A difference of means with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Proof:
    """What models trained on a proposal's halves say.

    a, b: effects under the two algorithms; difference: a less b, foretold to be above 0.
    p_value: two-sided, of no difference; adjusted: by Holm's method, for all proposals of the pair.
    verdict: a key of `VERDICTS`. models: on each half, of the algorithm that has fewer.
    needed: models on each half that may decide, as far as these tell; None if they decide.
    """

    a: Effect
    b: Effect
    difference: Effect
    p_value: float
    adjusted: float
    verdict: str
    models: int
    needed: int | None


@dataclass(frozen=True)
class Retrained:
    """y of the models trained on the two halves, float64 [models] each, of one algorithm."""

    high: np.ndarray
    low: np.ndarray

    @classmethod
    def of(cls, high: np.ndarray, low: np.ndarray, targets: np.ndarray) -> "Retrained":
        """From margins [models x n_targets] and a proposal's targets; without failed models."""
        finished_high = high[np.isfinite(high).all(1)]
        finished_low = low[np.isfinite(low).all(1)]
        return cls(high=finished_high @ targets, low=finished_low @ targets)


def prove(retrained: Sequence[tuple[Retrained, Retrained]]) -> list[Proof]:
    """Prove the proposals of a pair: of each, what the models of A and of B say.

    With fewer than two models on a half nothing is known: effects and p-values are NaN.
    """
    first = []
    for a, b in retrained:
        first.append(difference_of_means([(a.high, 1), (a.low, -1), (b.high, -1), (b.low, 1)]))
    adjusted = holm(np.array([p_value for _, p_value in first]))
    proofs = []
    for (a, b), (difference, p_value), corrected in zip(retrained, first, adjusted, strict=True):
        effect_a, _ = difference_of_means([(a.high, 1), (a.low, -1)])
        effect_b, _ = difference_of_means([(b.high, 1), (b.low, -1)])
        verdict = decided(effect_a, effect_b, difference, float(corrected))
        models = min(len(a.high), len(a.low), len(b.high), len(b.low))
        proof = Proof(
            a=effect_a,
            b=effect_b,
            difference=difference,
            p_value=p_value,
            adjusted=float(corrected),
            verdict=verdict,
            models=models,
            needed=models_needed(difference, models) if verdict == "open" else None,
        )
        proofs.append(proof)
    return proofs


def difference_of_means(groups: Sequence[tuple[np.ndarray, int]]) -> tuple[Effect, float]:
    """The sum of the groups' means, each times its sign, with Welch's interval and p-value.

    Spreads may differ between groups; degrees of freedom by Welch and Satterthwaite.
    """
    if min(len(values) for values, _ in groups) < 2:
        return Effect(np.nan, np.nan, np.nan), np.nan
    value = sum(sign * values.mean() for values, sign in groups)
    variances = np.array([values.var(ddof=1) / len(values) for values, _ in groups])
    freedom = np.array([len(values) - 1 for values, _ in groups])
    total = variances.sum()
    if total == 0:
        return Effect(float(value), float(value), float(value)), float(value == 0)
    pooled = total**2 / (variances**2 / freedom).sum()
    error = np.sqrt(total)
    width = student.ppf(0.975, pooled) * error
    p_value = 2 * student.sf(abs(value) / error, pooled)
    return Effect(float(value), float(value - width), float(value + width)), float(p_value)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values adjusted by Holm's method; unknown ones stay unknown and count among the others."""
    adjusted = np.full(len(p_values), np.nan)
    worst = 0.0
    for rank, place in enumerate(np.argsort(p_values)):  # unknown ones come last
        if np.isnan(p_values[place]):
            break
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def decided(a: Effect, b: Effect, difference: Effect, adjusted: float) -> str:
    """The verdict, a key of `VERDICTS`."""
    if np.isnan(adjusted):
        return "open"
    larger = max(a, b, key=lambda effect: abs(effect.value))
    smaller = b if larger is a else a
    size = abs(larger.value)
    if adjusted <= PROOF_LEVEL:
        if (smaller.high < 0 < larger.low) or (larger.high < 0 < smaller.low):
            return "opposite"
        if max(abs(smaller.low), abs(smaller.high)) <= FEW * size:
            return "only"
        return "more"
    surely = larger.low > 0 or larger.high < 0
    if surely and max(abs(difference.low), abs(difference.high)) <= FEW * size:
        return "alike"
    return "open"


def models_needed(difference: Effect, models: int) -> int | None:
    """Models on each half whose interval would leave out 0, if the difference is as it seems."""
    half_width = (difference.high - difference.low) / 2
    if not half_width > 0 or difference.value == 0:
        return None
    return int(np.ceil(models * (half_width / abs(difference.value)) ** 2))
