"""How alike two algorithms use the training data: against sums over pairs, and simulated truth."""

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from modeldiff import subsets
from modeldiff.comparison import contrast

EXAMPLES, TARGETS = 60, 30
SHARED, OTHER = np.random.default_rng(1).normal(size=(2, EXAMPLES, TARGETS))


def simulated(seed, *, other=0.0, models=300, noise=4.0, factor=1.0, signal=1.0):
    """Masks, margins of two algorithms whose weights differ a little everywhere, their cosine."""
    rng = np.random.default_rng(seed)
    masks = subsets.draw(EXAMPLES, range(models), 0.5, seed)
    weights = SHARED, factor * (SHARED + other * OTHER)
    mixing = rng.normal(size=(3, TARGETS))
    margins = []
    for own in weights:
        noisy = rng.normal(size=(models, 3)) @ mixing + rng.normal(size=(models, TARGETS))
        noisy *= np.exp(0.5 * rng.normal(size=(models, 1)))
        margins.append(signal * (masks @ own) + noise * noisy)
    a, b = (own - own.mean(0) for own in weights)  # subsets of one size tell no more
    return masks, *margins, (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def found(seed, permutations=19, **how):
    masks, a, b, truth = simulated(seed, **how)
    return contrast(masks, a, b, directions=1, permutations=permutations, seed=seed), truth


def test_it_is_the_sum_over_pairs_of_different_models():
    masks, a, b, _ = simulated(0, other=0.5)
    b[7] = np.nan
    got = contrast(masks, a, b, directions=1, permutations=19).agreement
    masks, a, b = (np.delete(x, 7, 0).astype(float) for x in (masks, a, b))
    x, y, z = (v - v.mean(0) for v in (masks, a, b))
    n = len(x)
    alike = x @ x.T
    alike[np.diag_indices(n)] *= -1 / (n - 1)  # what the means take from all pairs of others

    def pairs(one, two):
        return (alike * (one @ two.T)).sum()

    value = pairs(y, z) / np.sqrt(pairs(y, y) * pairs(z, z))
    assert got.value == pytest.approx(value, rel=1e-3)


def test_the_interval_covers_the_truth():
    runs = [found(seed, other=0.6) for seed in range(60)]
    inside = sum(one.agreement.low <= truth <= one.agreement.high for one, truth in runs)
    assert binomtest(inside, 60, 0.95, alternative="less").pvalue > 0.01
    off = [one.agreement.value - truth for one, truth in runs]
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(60)


def test_a_difference_spread_over_everything_is_seen_here_and_in_few_directions():
    runs = [found(seed, permutations=99, other=1.0)[0] for seed in range(10)]
    assert sum(one.agreement.differ for one in runs) >= 8
    assert sum(one.significant.any() for one in runs) <= 4


def test_without_a_difference_it_says_so():
    n = 100
    alike = [found(seed)[0].agreement for seed in range(n)]
    p = np.array([one.p_value for one in alike])
    assert (p <= 0.05).sum() <= 12  # 5 expected; exceeded with chance .004
    assert kstest(p - np.random.default_rng(0).uniform(0, 0.05, n), "uniform").pvalue > 0.01
    assert sum(one.low <= 1 <= one.high for one in alike) >= 90


def test_scale_alone_is_no_difference():
    alike = [found(seed, factor=2.0, noise=1.0)[0].agreement for seed in range(20)]
    assert sum(one.p_value <= 0.05 for one in alike) <= 4  # 1 expected
    assert [one.value for one in alike] == pytest.approx([1.0] * 20, abs=0.05)


def test_where_the_training_images_do_not_matter_it_is_not_known():
    alike = [found(seed, signal=0.0)[0].agreement for seed in range(20)]
    unknown = [one for one in alike if np.isnan(one.value)]
    assert unknown
    assert all(np.isnan([one.low, one.high]).all() and one.p_value > 0 for one in unknown)


def test_beside_an_algorithm_that_is_mostly_noise_it_is_not_known():
    """Of equals, one of them thirty times as noisy: half had an agreement that noise made."""
    known = 0
    for seed in range(60):
        masks, a, _, _ = simulated(seed, noise=3.0)
        _, _, b, _ = simulated(seed, noise=90.0)
        alike = contrast(masks, a, b, directions=1, permutations=19, seed=seed).agreement
        known += not np.isnan(alike.value)
    assert known <= 5  # 1.5 expected; exceeded with chance .004
