"""Proposals, the sets chosen for them, and what retraining proves, against known truths."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from modeldiff import proof
from modeldiff.core.errors import UserError
from modeldiff.proof.effect import Effect, Retrained, decided, difference_of_means, holm


def test_proposals_are_what_differs_strongest_first():
    random = np.random.default_rng(0)
    shared = random.normal(size=(30, 50))
    u = np.linalg.qr(random.exponential(size=(30, 2)))[0].T
    v = np.linalg.qr(random.normal(size=(50, 2)))[0].T
    a = shared + 5 * np.outer(u[0], v[0]) + 3 * np.outer(u[1], v[1])
    first, second = proof.of_difference(a, shared, "scores", 2)
    for proposal, place in ((first, 0), (second, 1)):
        assert abs(proposal.examples @ v[place]) == pytest.approx(1)
        # The sign of both together is that of A less B.
        assert (proposal.examples @ v[place]) * (proposal.targets @ u[place]) == pytest.approx(1)
        assert (proposal.targets**3).sum() >= 0
    assert first.share == pytest.approx(25 / 34)
    assert first.source == "scores"


@pytest.mark.parametrize(
    ("a", "b", "number", "words"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), 1, "must have one shape"),
        (np.ones((2, 3)), np.zeros((2, 3)), 3, "3 of scores .* must be 1 to 2"),
        (np.ones((2, 3)), np.ones((2, 3)), 1, "do not differ"),
        (np.full((2, 3), np.inf), np.ones((2, 3)), 1, "not finite"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(a, b, number, words):
    with pytest.raises(UserError, match=words):
        proof.of_difference(a, b, "scores", number)


def test_halves_are_balanced_disjoint_and_opposite():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 101)
    weights = random.normal(size=101) + labels  # some classes lie higher as a whole
    high, low = proof.opposite_halves(weights, labels)
    assert not (high & low).any()
    for label in range(4):
        members = labels == label
        assert (high & members).sum() == (low & members).sum() == members.sum() // 2
        assert weights[high & members].min() >= weights[low & members].max()


def test_two_groups_are_welchs_test():
    random = np.random.default_rng(0)
    one, other = random.normal(size=4), 3 * random.normal(size=7) + 1
    effect, p_value = difference_of_means([(one, 1), (other, -1)])
    expected = ttest_ind(one, other, equal_var=False)
    assert p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("models", [2, 3, 6])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_the_level_holds_with_few_models(models, kind):
    """Where nothing differs, at most 5% say so, also where the spreads differ."""
    random = np.random.default_rng(models)
    wrong = 0
    for _ in range(1000):
        draws = getattr(random, kind)(size=(4, models))
        draws[2:] *= 3
        groups = zip(draws, (1, -1, -1, 1), strict=True)
        _, p_value = difference_of_means(list(groups))
        wrong += p_value <= 0.05
    assert wrong <= 50 + 14  # two standard errors


def test_holm_by_hand():
    found = holm(np.array([0.04, 0.01, np.nan, 0.03]))
    np.testing.assert_allclose(found, [0.09, 0.04, np.nan, 0.09])


def models(mean, n=4, spread=0.1):
    """y of `n` models about `mean`, with a spread that is known."""
    return mean + spread * np.linspace(-1, 1, n)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (10, 0.2, "only"),
        (10, 5, "more"),
        (10, -5, "opposite"),
        (10, 10.02, "alike"),
        (0.02, 0.01, "open"),
    ],
)
def test_verdicts(a, b, verdict):
    sides = tuple(Retrained(high=models(effect), low=models(0)) for effect in (a, b))
    (found,) = proof.prove([sides])
    assert found.verdict == verdict
    assert found.a.value == pytest.approx(a)
    assert found.difference.value == pytest.approx(a - b)
    assert (found.needed is not None) == (verdict == "open")


def test_more_models_decide_what_few_leave_open():
    random = np.random.default_rng(0)

    def drawn(mean, n):
        return Retrained(high=mean + random.normal(size=n), low=random.normal(size=n))

    (few,) = proof.prove([(drawn(1.0, 4), drawn(0.0, 4))])
    assert few.verdict == "open"
    assert few.needed > 4
    decides = 0
    for _ in range(50):
        (many,) = proof.prove([(drawn(1.0, 50), drawn(0.0, 50))])
        decides += many.p_value <= 0.05
    assert decides > 40


def test_too_few_models_leave_it_open():
    one = Retrained(high=np.ones(1), low=np.zeros(4))
    (found,) = proof.prove([(one, one)])
    assert found.verdict == "open"
    assert np.isnan(found.p_value)
    assert found.needed is None


def test_models_that_failed_are_left_out():
    high = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    found = Retrained.of(high, high[:1], np.array([1.0, -1.0]))
    np.testing.assert_array_equal(found.high, [-1, -1])
    np.testing.assert_array_equal(found.low, [-1])


def test_a_verdict_needs_the_corrected_level():
    wide = Effect(5, 1, 9)
    assert decided(wide, Effect(0, -1, 1), wide, 0.06) == "open"
    assert decided(wide, Effect(0, -1, 1), wide, 0.04) == "only"
    assert decided(wide, Effect(2, 1, 3), wide, 0.04) == "more"
