"""Are models of two recipes further apart than models of one? One test for every distance.

If the recipes do not differ, it makes no difference which models are called A's and which B's. The
models are exchanged between the two, and p is the share of all exchanges, the true names included,
whose excess is as large: that holds for any distance whatever. The excess is half the energy
statistic of Szekely & Rizzo (2004): mean distance between the recipes less that within them.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.verification import half_width

PERMUTATIONS = 999  # if there are no more exchanges than that, each is made once
LEVEL = 0.05  # of all images together
FEWEST = 3  # models of either recipe: without one of them two are left, and so a distance
ROUNDING = 1e-9  # of distances: exchanges that give the same need not give the same last bits
AT_ONCE = 1 << 22  # distances read at a time


@dataclass(frozen=True)
class Excess:
    """How far models are apart, in the unit of the distance.

    within_a, within_b, between: means over pairs of models. value: between less the mean of the
    other two; low, high: its 95% interval over models, jackknifed. p_value: of no difference.
    """

    within_a: float
    within_b: float
    between: float
    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Named:
    """Images on which the recipes differ beyond what models of one recipe do.

    scores: the excess on each image, float64 [images]. p_values: corrected for all images, by the
    largest score of each exchange (Westfall & Young 1993), float64 [images].
    """

    scores: np.ndarray
    p_values: np.ndarray

    @property
    def chosen(self) -> np.ndarray:
        """Images that differ at 5% for all images together, the surest first, int64."""
        found = np.flatnonzero(self.p_values <= LEVEL)
        order = np.argsort(-self.scores[found], kind="stable")
        chosen: np.ndarray = found[order]
        return chosen


def exchange(distances: np.ndarray, sizes: tuple[int, int], *key: rng.Key) -> Excess:
    """Test distances between models, float [models x models], symmetric.

    sizes: how many models are A's, which come first, and B's. key: of the random exchanges.
    Raises UserError for fewer than `FEWEST` models of either, or distances that are not finite.
    """
    check(distances, sizes)
    square = np.asarray(distances, np.float64)
    n_a = sizes[0]
    pairs = square[np.triu_indices(len(square), 1)]
    statistics = weights(sides(sizes, *key), sizes) @ pairs
    reached = statistics >= statistics[0] - ROUNDING * np.abs(pairs).max()
    within_a = _mean_of_pairs(square[:n_a, :n_a])
    within_b = _mean_of_pairs(square[n_a:, n_a:])
    between = float(square[:n_a, n_a:].mean())
    value = between - (within_a + within_b) / 2
    far = float(half_width(_pseudo_values(square, n_a, value), 0.05))
    return Excess(
        within_a=within_a,
        within_b=within_b,
        between=between,
        value=value,
        low=value - far,
        high=value + far,
        p_value=float(reached.mean()),
    )


def named(by_image: np.ndarray, sizes: tuple[int, int], *key: rng.Key) -> Named:
    """On which images do the recipes differ? Distances by image, float [models x models x images].

    Otherwise as `exchange`, with the same exchanges for the same key.
    """
    check(by_image, sizes)
    drawn = weights(sides(sizes, *key), sizes)
    first, second = np.triu_indices(len(by_image), 1)
    images = by_image.shape[2]
    scores = np.empty(images)
    largest = np.full(len(drawn), -np.inf)
    at_once = max(1, AT_ONCE // len(first))
    for start in range(0, images, at_once):
        part = by_image[first, second, start : start + at_once].astype(np.float64)
        statistics = drawn @ part
        scores[start : start + at_once] = statistics[0]
        largest = np.maximum(largest, statistics.max(1))
    tolerance = ROUNDING * float(np.abs(by_image).max())
    rising = np.sort(largest)
    above = len(rising) - np.searchsorted(rising, scores - tolerance)
    return Named(scores=scores, p_values=above / len(rising))


def sides(sizes: tuple[int, int], *key: rng.Key) -> np.ndarray:
    """Which models are called A's in each exchange, bool [exchanges x models]; first the truth."""
    n_a, n = sizes[0], sum(sizes)
    if comb(n, n_a) <= PERMUTATIONS + 1:
        chosen = np.array(list(combinations(range(n), n_a)))  # the first is 0, 1, ..., n_a - 1
    else:
        words = rng.words(PERMUTATIONS * n, "exchange", *key).reshape(PERMUTATIONS, n)
        drawn = np.argsort(words, axis=1, kind="stable")[:, :n_a]
        chosen = np.concatenate([np.arange(n_a)[None], drawn])
    called_a = np.zeros((len(chosen), n), bool)
    np.put_along_axis(called_a, chosen, True, axis=1)
    return called_a


def weights(called_a: np.ndarray, sizes: tuple[int, int]) -> np.ndarray:
    """What each pair of models counts in the excess, float64 [exchanges x pairs].

    called_a: see `sides`. Pairs are those of `np.triu_indices(models, 1)`.
    """
    first, second = np.triu_indices(called_a.shape[1], 1)
    in_a = called_a[:, first].astype(np.int8) + called_a[:, second]  # how many of each pair
    n_a, n_b = sizes
    of_pair = np.array([-1 / (n_b * (n_b - 1)), 1 / (n_a * n_b), -1 / (n_a * (n_a - 1))])
    return of_pair[in_a]


def check(distances: np.ndarray, sizes: tuple[int, int]) -> None:
    """UserError unless these are distances between so many models, and enough of them."""
    if min(sizes) < FEWEST:
        have = f"{sizes[0]} and {sizes[1]} models"
        raise UserError(f"to compare {have}: must be {FEWEST} or more of each recipe")
    n = sum(sizes)
    if distances.shape[:2] != (n, n) or distances.ndim > 3:
        shape = " x ".join(map(str, distances.shape))
        raise UserError(f"distances are [{shape}]; must be [{n} x {n}] or [{n} x {n} x images]")
    if not np.isfinite(distances).all():
        raise UserError("distances are not all finite")


def _mean_of_pairs(square: np.ndarray) -> float:
    """Mean distance of two different models."""
    n = len(square)
    return float((square.sum() - np.trace(square)) / (n * (n - 1)))


def _pseudo_values(square: np.ndarray, n_a: int, value: float) -> list[np.ndarray]:
    """For each recipe the jackknife's pseudo-values of the excess, a model left out each."""
    n = len(square)
    of_sides = []
    for own in (np.arange(n) < n_a, np.arange(n) >= n_a):
        of_models = []
        size = int(own.sum())
        elsewhere = _mean_of_pairs(square[np.ix_(~own, ~own)])
        for model in np.flatnonzero(own):
            left = own.copy()
            left[model] = False
            within = _mean_of_pairs(square[np.ix_(left, left)])
            between = float(square[np.ix_(left, ~own)].mean())
            without = between - (within + elsewhere) / 2
            of_models.append(size * value - (size - 1) * without)
        of_sides.append(np.array(of_models))
    return of_sides
