"""What models retrained on sets chosen for it say of a proposed difference.

Of one model, y is the mean of its margins on the targets, weighted as the proposal says. Margins
are divided by the root mean square of all margins of the model, if they are to be relative: then an
algorithm with larger margins is not said to differ for that alone. The effect under an algorithm is
the mean of y over models trained on the first set, less that over models trained on the second. Two
algorithms differ if their effects do. All these models are new, and independent given the sets:
nothing that made the proposal is used again, so that the interval of a difference of means holds,
however the proposal was searched for.

Models come in rounds, and what is decided after a round gets no more. Looking several times would
find more than there is; so the p-value of the look after round k is multiplied by k (k + 1), and
the interval holds at the level 1 - .05 / (k (k + 1)). The shares 1 / (k (k + 1)) add up to 1 over
all k: the level holds for any number of rounds, also for those that are added later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modeldiff.core import student

PROOF_LEVEL = 0.05  # of all that is tested of a pair together
FEW = 1 / 4  # of the larger effect: what is surely smaller counts as next to nothing
VERDICTS = {
    "only": "{more} follows it, {less} hardly",
    "more": "{more} follows it {further} {less}",
    "opposite": "the two follow it in opposite ways",
    "alike": "both follow it alike",
    "open": "not decided",
}


@dataclass(frozen=True)
class Effect:
    """A difference of means with its interval, in units of the margin; of relative margins, of the
    model's root mean square margin.
    """

    value: float
    low: float
    high: float

    def columns(self, value: str, low: str, high: str) -> dict[str, float]:
        """The three, by the names that a table has for them."""
        return {value: self.value, low: self.low, high: self.high}


@dataclass(frozen=True)
class Proof:
    """What the models trained on the two sets say.

    a, b: effects under the two algorithms; difference: a less b. Their 95% intervals hold for all
    looks together. p_value: two-sided, of no difference, for all looks together; adjusted: by
    Holm's method, for all that is tested of the pair. verdict: a key of `VERDICTS`.
    rounds: in which models were trained for it. models: on each set, of the algorithm that has
    fewer. needed: models on each set that may decide, as far as these tell; None if they decide.
    """

    a: Effect
    b: Effect
    difference: Effect
    p_value: float
    adjusted: float
    verdict: str
    rounds: int
    models: int
    needed: int | None


@dataclass(frozen=True)
class Retrained:
    """y of the models trained on the two sets, float64 [models] each, of one algorithm."""

    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(
        cls, first: np.ndarray, second: np.ndarray, targets: np.ndarray, *, relative: bool
    ) -> "Retrained":
        """Without failed models, from margins [models x n_targets], NaN of those that failed.

        targets: weights [n_targets] of a proposal; only what they are to each other counts.
        relative: whether each model's margins are divided by their root mean square.
        """
        weights = targets / np.abs(targets).sum()
        return cls(
            first=_weighted(first, weights, relative), second=_weighted(second, weights, relative)
        )

    @property
    def any(self) -> bool:
        """Whether there is any model."""
        return len(self.first) + len(self.second) > 0

    def and_those_of(self, later: "Retrained") -> "Retrained":
        """With the models of a later round."""
        return Retrained(
            first=np.concatenate([self.first, later.first]),
            second=np.concatenate([self.second, later.second]),
        )


def _weighted(margins: np.ndarray, weights: np.ndarray, relative: bool) -> np.ndarray:
    finished = margins[np.isfinite(margins).all(1)].astype(np.float64)
    if relative:
        finished /= np.sqrt((finished**2).mean(1, keepdims=True))
    return finished @ weights


Round = tuple[Retrained, Retrained]  # models of A, and of B


def prove(tested: Sequence[Sequence[Round]]) -> list[Proof]:
    """What retraining says of each that is tested of a pair.

    tested: of each, the models of every round in which some were trained for it.
    With fewer than two models on a set nothing is known: effects and p-values are NaN.
    """
    looks = [_last_look(rounds) for rounds in tested]
    adjusted = holm(np.array([look.p_value for look in looks]))
    proofs = []
    for look, corrected in zip(looks, adjusted, strict=True):
        verdict = decided(look.a, look.b, look.difference, float(corrected))
        proof = Proof(
            a=look.a,
            b=look.b,
            difference=look.difference,
            p_value=look.p_value,
            adjusted=float(corrected),
            verdict=verdict,
            rounds=look.rounds,
            models=look.models,
            needed=models_needed(look.difference, look.models) if verdict == "open" else None,
        )
        proofs.append(proof)
    return proofs


@dataclass(frozen=True)
class _Look:
    """What all models so far say, and the p-value that counts every look so far."""

    a: Effect
    b: Effect
    difference: Effect
    p_value: float
    rounds: int
    models: int


def _last_look(rounds: Sequence[Round]) -> _Look:
    """The look after the last round."""
    a = b = Retrained(first=np.zeros(0), second=np.zeros(0))
    smallest = np.nan
    for number, (of_a, of_b) in enumerate(rounds, start=1):
        a = a.and_those_of(of_a)
        b = b.and_those_of(of_b)
        _, p_value = difference_of_means(_difference(a, b))
        smallest = np.fmin(smallest, np.minimum(1, p_value * number * (number + 1)))
    last = max(1, len(rounds))
    level = PROOF_LEVEL / (last * (last + 1))
    effect_a, _ = difference_of_means(_effect(a), level)
    effect_b, _ = difference_of_means(_effect(b), level)
    difference, _ = difference_of_means(_difference(a, b), level)
    return _Look(
        a=effect_a,
        b=effect_b,
        difference=difference,
        p_value=float(smallest),
        rounds=len(rounds),
        models=min(len(a.first), len(a.second), len(b.first), len(b.second)),
    )


Signed = list[tuple[np.ndarray, int]]


def _effect(retrained: Retrained) -> Signed:
    return [(retrained.first, 1), (retrained.second, -1)]


def _difference(a: Retrained, b: Retrained) -> Signed:
    return [(a.first, 1), (a.second, -1), (b.first, -1), (b.second, 1)]


def difference_of_means(
    groups: Sequence[tuple[np.ndarray, int]], level: float = 0.05
) -> tuple[Effect, float]:
    """The sum of the groups' means, each times its sign, with Welch's interval and p-value.

    level: what the interval may miss. Spreads may differ between groups; degrees of freedom by
    Welch and Satterthwaite.
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
    width = student.isf(level / 2, pooled) * error
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


def larger_effect(row: Mapping[str, Any]) -> float:
    """The effect under the algorithm that follows a proposal further; row: of proof.csv."""
    larger: float = row["a"] if abs(row["a"]) >= abs(row["b"]) else row["b"]
    return larger


def models_needed(difference: Effect, models: int) -> int | None:
    """Models on each set whose interval would leave out 0, if the difference is as it seems."""
    half_width = (difference.high - difference.low) / 2
    if not half_width > 0 or difference.value == 0:
        return None
    return int(np.ceil(models * (half_width / abs(difference.value)) ** 2))
