"""The contrast against a plain derivation, and its test against simulated truth."""

import numpy as np
import pytest
from scipy.stats import kstest

from modeldiff import subsets
from modeldiff.comparison import contrast, paired_ridge, step
from modeldiff.comparison.rotation import quartimax
from modeldiff.core.errors import UserError

MODELS, EXAMPLES, TARGETS = 240, 40, 24


def simulated(
    seed, *, plants=(), factor=1.0, targets=TARGETS, nuisance=1.0, models=MODELS, examples=EXAMPLES
):
    """Masks and margins of two algorithms that share a linear model and differ by `plants`.

    Noise is correlated across targets and larger for some models; a plant (examples, targets,
    size) adds its size to A's margins of these targets for each of these examples.
    """
    rng = np.random.default_rng(seed)
    masks = subsets.draw(examples, range(models), 0.5, seed)
    weights = rng.normal(size=(examples, targets))
    mixing = rng.normal(size=(3, targets))
    sides = []
    for side in (0, 1):
        noise = 2 * rng.normal(size=(models, 3)) @ mixing + rng.normal(size=(models, targets))
        noise *= np.exp(0.5 * rng.normal(size=(models, 1)))
        sides.append(masks @ weights + nuisance * noise + side)  # the means differ
    for group, chosen, size in plants:
        sides[0][:, chosen] += size * masks[:, group].sum(1, keepdims=True)
    return masks, sides[0], factor * sides[1]


def plain_ridge(masks, y, penalty):
    """Weights [n_targets x n_train] in units of the 0/1 mask, by the textbook."""
    x = masks - masks.mean(0)
    sd = x.std(0)
    z = x / sd
    gram = z.T @ z / len(z) + penalty * np.eye(z.shape[1])
    return (np.linalg.solve(gram, z.T @ (y - y.mean(0)) / len(z)) / sd[:, None]).T


def test_it_is_the_singular_vectors_of_the_difference_of_ridge_fits():
    masks, a, b = simulated(0, plants=[([1, 2], [3, 4], 9.0)], nuisance=0.2)
    found = contrast(masks, a, b, directions=4, penalty=0.7, permutations=19)
    w_a, w_b = plain_ridge(masks, a, 0.7), plain_ridge(masks, b, 0.7)
    _, s, v = np.linalg.svd(w_a - w_b)
    np.testing.assert_allclose(found.singular_values, s[:4], rtol=1e-3)
    np.testing.assert_allclose(abs((found.directions * v[:4]).sum(1)), 1, atol=1e-3)
    np.testing.assert_allclose(found.projections, (w_a - w_b) @ found.directions.T, atol=1e-3)
    np.testing.assert_allclose(found.explained, s[:4] ** 2 / (s**2).sum(), rtol=1e-3)
    squares = [((w @ found.directions.T) ** 2).sum(0) for w in (w_a, w_b)]
    asymmetry = (squares[0] - squares[1]) / (squares[0] + squares[1])
    np.testing.assert_allclose(found.asymmetry, asymmetry, atol=1e-3)
    assert ((found.projections**3).sum(0) >= 0).all()


def noise_of(masks, d, penalty):
    """The differences less what a fit without the model surely predicts of them."""
    z, n = (masks - masks.mean(0)) / masks.std(0), len(masks)
    hat = z @ np.linalg.solve(z.T @ z + penalty * n * np.eye(z.shape[1]), z.T) + 1 / n
    left = d - (d - hat @ d) / (1 - np.trace(hat) / n)  # the fit without the model, of all
    predicted = left + d / (n - 1)  # less the mean without the model
    products = (predicted * d).sum(1)
    surely = products.sum() - 1.645 * np.sqrt(2 * (products**2).sum())
    share = max(0.0, surely / (predicted**2).sum())
    return (d - share * predicted) * np.sqrt(n / (n - 1))


def test_p_values_and_edges_are_those_of_flipping_signs_one_by_one():
    # One direction stands out, so that none is rotated.
    masks, a, b = simulated(1, plants=[([1, 2], [3, 4], 9.0)], nuisance=0.5)
    found = contrast(masks, a, b, directions=3, permutations=39, seed=5, penalty=1.0)
    noise = noise_of(masks, (a - b) - (a - b).mean(0), 1.0)
    null = []
    for flip in range(39):
        weights = plain_ridge(masks, paired_ridge.signs(MODELS, 5, flip)[:, None] * noise, 1.0)
        first = np.linalg.norm(weights, 2)
        v = found.directions[0]
        null.append((first, np.linalg.norm(weights - np.outer(weights @ v, v), 2)))
    first, second = np.array(null).T
    assert found.significant.tolist() == [True, False, False]
    assert found.p_value[0] == (1 + (first >= found.singular_values[0]).sum()) / 40
    assert found.p_value[1] == (1 + (second >= found.singular_values[1]).sum()) / 40
    edges = [np.quantile(x, 0.95, method="higher") for x in (first, second)]
    np.testing.assert_allclose(found.critical_value[:2], edges, rtol=1e-3)
    assert np.isnan(found.critical_value[2])
    assert found.p_value[2] == found.p_value[1]


def test_what_differs_is_not_taken_for_noise():
    # A strong difference, spread over all examples and targets, beside a small group.
    # Flips of the differences themselves find the second in 1 of 6 such seeds.
    masks, a, b = simulated(7, plants=[([1, 2], [3, 4], 6.0)], nuisance=0.3)
    rng = np.random.default_rng(0)
    a = a + masks @ np.outer(rng.normal(size=EXAMPLES), rng.normal(size=TARGETS)) * 2
    found = contrast(masks, a, b, directions=3, permutations=99)
    assert found.significant.tolist() == [True, True, False]


def test_directions_after_the_true_ones_are_rarely_significant():
    plants = [([1, 2], [3, 4], 9.0), ([20, 21], [10, 11, 12], -7.0)]
    data = (simulated(s, plants=plants, nuisance=0.5) for s in range(60))
    runs = (contrast(*given, directions=3, permutations=19, seed=s) for s, given in enumerate(data))
    significant = np.array([found.significant for found in runs])
    assert significant[:, :2].all()
    assert significant[:, 2].sum() <= 8  # at most 3 expected; exceeded with chance .004


def test_directions_of_equal_strength_are_told_apart():
    plants = [([1, 2, 3], [3, 4], 8.0), ([20, 21, 22], [10, 11], 8.0)]
    for seed in range(5):
        found = contrast(
            *simulated(seed, plants=plants, nuisance=0.3), directions=2, permutations=19
        )
        assert found.significant.all()
        groups = {frozenset(np.argsort(-abs(v))[:3].tolist()) for v in found.directions}
        assert groups == {frozenset((1, 2, 3)), frozenset((20, 21, 22))}
        np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(2), atol=1e-6)


def test_quartimax_reaches_the_best_angle():
    loadings = np.random.default_rng(0).normal(size=(50, 2)) ** 3
    rotation = quartimax(loadings)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(2), atol=1e-12)
    angles = np.linspace(0, np.pi / 2, 2001)
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    best = (np.einsum("nk,kja->nja", loadings, turns) ** 4).sum((0, 1)).max()
    np.testing.assert_allclose(((loadings @ rotation) ** 4).sum(), best, rtol=1e-5)


def test_without_a_difference_p_values_are_uniform():
    n = 120
    runs = (contrast(*simulated(s), directions=1, permutations=19, seed=s) for s in range(n))
    p = np.array([found.p_value[0] for found in runs])
    assert (p <= 0.05).sum() <= 13  # 6 expected; exceeded with chance .003
    assert kstest(p - np.random.default_rng(0).uniform(0, 0.05, n), "uniform").pvalue > 0.01


def test_without_a_difference_p_values_are_uniform_with_fewer_models_than_examples():
    # Where the fit all but interpolates, a model that is not quite left out predicts itself.
    n, size = 120, {"models": 60, "examples": 400, "targets": 12}
    runs = (
        contrast(*simulated(s, **size), directions=1, permutations=19, seed=s) for s in range(n)
    )
    both = np.array([(found.p_value[0], found.agreement.p_value) for found in runs]).T
    for p in both:
        assert (p <= 0.05).sum() <= 13  # 6 expected; exceeded with chance .003
        assert kstest(p - np.random.default_rng(0).uniform(0, 0.05, n), "uniform").pvalue > 0.01


def test_noise_that_targets_share_is_not_reported_with_few_models_for_the_examples():
    # The best share of a prediction of noise is above 0 by chance: 11 to 13% of these runs reported
    # a direction as long as that was taken away.
    n, reported = 300, 0
    for seed in range(n):
        rng = np.random.default_rng((11, seed))
        masks = subsets.draw(60, range(60), 0.5, seed)
        shared = masks @ rng.normal(size=(60, 12))
        sides = [
            shared
            + 3 * (rng.normal(size=(60, 1)) @ np.ones((1, 12)) + 0.1 * rng.normal(size=(60, 12)))
            for _ in range(2)
        ]
        found = contrast(masks, *sides, directions=1, permutations=19, seed=seed)
        reported += bool(found.significant[0])
    assert reported <= 24  # 15 expected; exceeded with chance .01


def test_a_factor_that_noise_made_makes_no_difference():
    # B is so noisy that the factor is a guess: what both share was then left in the difference,
    # and the two were said to differ in 14% of such runs, at level .01.
    differ = 0
    for seed in range(150):
        rng = np.random.default_rng((12, seed))
        masks = subsets.draw(60, range(200), 0.5, seed)
        shared = masks @ rng.normal(size=(60, 30))
        mixing = rng.normal(size=(3, 30))
        sides = []
        for scale in (3, 90):
            noise = rng.normal(size=(200, 3)) @ mixing + rng.normal(size=(200, 30))
            sides.append(shared + scale * noise)
        found = contrast(masks, *sides, directions=1, permutations=99, seed=seed)
        differ += found.agreement.p_value <= 0.01
    assert differ <= 6  # 1.5 expected; exceeded with chance .001


def test_a_planted_difference_is_found_and_nothing_else():
    group, moved = [3, 7, 11], [0, 5]
    hits, stability = 0, []
    for seed in range(10):
        data = simulated(seed, plants=[(group, moved, 6.0)], nuisance=0.5)
        found = contrast(*data, directions=3, permutations=99, seed=seed)
        hits += found.significant.tolist() == [True, False, False]
        assert set(np.argsort(-found.directions[0])[:3]) == set(group)
        assert set(np.argsort(-found.projections[:, 0])[:2]) == set(moved)
        assert found.asymmetry[0] > 0
        assert found.reach_a[0, 1] > found.reach_b[0, 2]
        stability.append(found.stability[0])
    assert hits >= 8  # at level .05
    assert np.median(stability) > 0.6


def test_two_planted_differences_are_two_directions():
    plants = [([1, 2], [3, 4], 8.0), ([20, 21], [10, 11, 12], -5.0)]
    data = simulated(2, plants=plants, nuisance=0.2)
    found = contrast(*data, directions=4, permutations=99)
    assert found.significant.tolist() == [True, True, False, False]
    for v, (examples, _, _) in zip(found.directions, plants, strict=False):
        assert set(np.argsort(-abs(v))[:2]) == set(examples)
    assert (np.diff(found.p_value) >= 0).all()


def test_a_difference_in_scale_alone_is_none():
    significant = [
        contrast(
            *simulated(s, factor=2.0, nuisance=0.3), directions=1, permutations=19, seed=s
        ).p_value[0]
        <= 0.05
        for s in range(20)
    ]
    assert sum(significant) <= 4  # 1 expected


def test_noise_adds_nothing_to_a_reach():
    reaches, noisy = [], []
    for seed in range(20):
        masks, a, b = simulated(seed, nuisance=0.3)  # one linear model for both
        a += 6 * np.random.default_rng((1, seed)).normal(size=a.shape)
        found = contrast(masks, a, b, directions=1, permutations=19, seed=seed)
        reaches.append((found.reach_a[0], found.reach_b[0]))
        along = [plain_ridge(masks, y, 2.0) @ found.directions[0] for y in (a, b)]
        noisy.append([np.sqrt((one**2).mean()) for one in along])
    (a, low_a, high_a), (b, low_b, high_b) = np.transpose(reaches, (1, 2, 0))
    assert np.divide(*np.mean(noisy, 0)) > 1.5  # so much noise is in the weights themselves
    assert 0.9 < np.sqrt((a**2).mean() / (b**2).mean()) < 1.1
    assert ((low_a <= high_b) & (low_b <= high_a)).sum() >= 18


def test_how_far_the_other_algorithm_goes_along_a_direction():
    group, moved = [3, 7, 11], [0, 5]
    inside = {0.0: 0, 0.5: 0}
    for seed in range(20):
        masks, a, b = simulated(seed, plants=[(group, moved, 9.0)], nuisance=0.3)
        for share in inside:
            also = b.copy()
            also[:, moved] += share * 9.0 * masks[:, group].sum(1, keepdims=True)
            found = contrast(masks, a, also, directions=1, permutations=19, seed=seed)
            _, low, high = found.b_follows[0]
            # Some of what both share beside the plant lies along the direction, too.
            inside[share] += low - 0.1 <= share <= high + 0.1
            np.testing.assert_array_equal(found.reversed().a_follows, found.b_follows)
    assert min(inside.values()) >= 18


def test_margins_of_another_size_are_followed_by_both():
    for seed in range(5):
        masks, a, _ = simulated(seed, plants=[([3, 7, 11], [0, 5], 9.0)], nuisance=0.2)
        found = contrast(masks, a, 4 * np.tanh(a / 12), directions=1, permutations=19, seed=seed)
        _, low, high = found.b_follows[0]
        assert 0.05 < low < high < 1


def test_the_other_way_round_is_the_same_but_for_the_sign():
    masks, a, b = simulated(3, plants=[([1, 2], [3, 4], 8.0)])
    one = contrast(masks, a, b, directions=3, permutations=19)
    other, reverse = contrast(masks, b, a, directions=3, permutations=19), one.reversed()
    np.testing.assert_array_equal(other.p_value, one.p_value)
    names = ("directions", "projections", "variance_a", "variance_b", "reach_a", "reach_b")
    for name in (*names, "asymmetry"):
        expected, found = getattr(reverse, name), getattr(other, name)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_each_way_has_its_own_directions_first():
    asymmetry = np.array([0.2, -0.1, 0.0, -0.9, 0.4])
    assert step.favouring(asymmetry, 4).tolist() == [0, 2, 4, 1]
    assert step.favouring(-asymmetry, 3).tolist() == [1, 2, 3]


def test_it_is_deterministic_and_leaves_out_models_that_failed():
    masks, a, b = simulated(4)
    one, two = (contrast(masks, a, b, directions=3, permutations=19) for _ in range(2))
    np.testing.assert_array_equal(one.directions, two.directions)
    a[[0, 7]], b[9] = np.nan, np.inf
    kept = np.setdiff1d(np.arange(MODELS), [0, 7, 9])
    found = contrast(masks, a, b, directions=3, permutations=19)
    without = contrast(masks[kept], a[kept], b[kept], directions=3, permutations=19)
    np.testing.assert_allclose(found.singular_values, without.singular_values, rtol=1e-5)


def test_more_targets_than_the_rank_and_targets_that_never_vary():
    masks, a, b = simulated(5, plants=[([1, 2], range(40), 6.0)], targets=300)
    a[:, 50:60], b[:, 50:60] = 1.0, 2.0
    found = contrast(masks, a, b, directions=2, permutations=19, penalty=1.0)
    d = plain_ridge(masks, a, 1.0) - plain_ridge(masks, b, 1.0)
    np.testing.assert_allclose(found.singular_values[0], np.linalg.norm(d, 2), rtol=1e-3)
    assert set(np.argsort(-found.directions[0])[:2]) == {1, 2}
    np.testing.assert_allclose(found.projections[50:60], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margins_b": np.ones((MODELS, 3))}, "of the same models"),
        ({"masks": np.ones((MODELS - 1, EXAMPLES), bool)}, "of the same models"),
        ({"margins_a": np.full((MODELS, TARGETS), np.nan)}, "0 models finished under both"),
        ({"directions": 25}, "must be 1 to 24"),
        ({"margins_a": None}, "do not differ"),
    ],
)
def test_what_cannot_be_contrasted_is_named(change, words):
    masks, a, b = simulated(6)
    given = {"masks": masks, "margins_a": a, "margins_b": b, "directions": 2} | change
    if given["margins_a"] is None:
        given["margins_a"] = b
    with pytest.raises(UserError, match=words):
        contrast(**given, permutations=19)
