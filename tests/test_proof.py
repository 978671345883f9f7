"""Proposals, the sets chosen for them, and what retraining proves, against known truths."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from modeldiff import proof
from modeldiff.core.errors import UserError
from modeldiff.proof.effect import Effect, Retrained, decided, difference_of_means, holm
from modeldiff.proof.sets import strongest, with_and_without


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
    sides = tuple(Retrained(first=models(effect), second=models(0)) for effect in (a, b))
    (found,) = proof.prove([[sides]])
    assert found.verdict == verdict
    assert found.a.value == pytest.approx(a)
    assert found.difference.value == pytest.approx(a - b)
    assert (found.needed is not None) == (verdict == "open")


def test_more_models_decide_what_few_leave_open():
    random = np.random.default_rng(0)

    def drawn(mean, n):
        return Retrained(first=mean + random.normal(size=n), second=random.normal(size=n))

    (few,) = proof.prove([[(drawn(1.0, 4), drawn(0.0, 4))]])
    assert few.verdict == "open"
    assert few.needed > 4
    decides = 0
    for _ in range(50):
        (many,) = proof.prove([[(drawn(1.0, 50), drawn(0.0, 50))]])
        decides += many.p_value <= 0.05
    assert decides > 40


def test_the_level_holds_however_often_one_looks():
    """Where nothing differs, three rounds of three models, stopped once it is proved."""
    random = np.random.default_rng(0)
    runs, wrong, hold = 1000, 0, 0
    for _ in range(runs):
        rounds = []
        for _ in range(3):
            draws = random.normal(size=(4, 3))
            rounds.append((Retrained(draws[0], draws[1]), Retrained(draws[2], draws[3])))
            (found,) = proof.prove([rounds])
            if found.adjusted <= 0.05:
                break
        wrong += found.adjusted <= 0.05
        hold += found.difference.low <= 0 <= found.difference.high
    assert wrong <= 50
    assert hold >= 950


def test_a_round_adds_its_models_and_a_look_costs():
    effect, noise = models(1.0), models(0.0)
    early = (Retrained(effect, noise), Retrained(noise, noise))
    (once,) = proof.prove([[early]])
    (twice,) = proof.prove([[early, early]])
    _, plain = difference_of_means([(effect, 1), (noise, -1), (noise, -1), (noise, 1)])
    assert once.p_value == pytest.approx(2 * plain)
    assert (once.models, twice.models, twice.rounds) == (4, 8, 2)
    both = [np.tile(values, 2) for values in (effect, noise, noise, noise)]
    _, pooled = difference_of_means(list(zip(both, (1, -1, -1, 1), strict=True)))
    assert twice.p_value == pytest.approx(min(2 * plain, 6 * pooled))


def test_what_was_never_trained_is_open_and_counts_for_the_correction():
    sides = (Retrained(models(10.0), models(0.0)), Retrained(models(0.0), models(0.0)))
    tested, untested = proof.prove([[sides], []])
    assert tested.adjusted == pytest.approx(2 * tested.p_value)
    assert (untested.verdict, untested.rounds, untested.models) == ("open", 0, 0)
    assert np.isnan(untested.p_value)


def test_a_group_is_left_out_against_as_many_of_its_classes():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 90)
    group = np.zeros(90, bool)
    group[[1, 5, 7, 40]] = True
    one = with_and_without(group, labels, "first")
    other = with_and_without(group, labels, "second")
    np.testing.assert_array_equal(one.second, ~group)
    assert (one.first | ~group).all()  # the group itself stays
    for sets in (one, other):
        for label in range(3):
            assert (~sets.first & (labels == label)).sum() == (group & (labels == label)).sum()
    assert (one.first != other.first).any()


def test_the_strongest_leave_half_of_each_class():
    labels = np.repeat([0, 1], [10, 90])
    weights = np.arange(100.0)[::-1]  # class 0 weighs most
    chosen = strongest(weights, labels, 0.2)
    assert chosen.sum() == 20
    assert chosen[:10].sum() == 5
    np.testing.assert_array_equal(np.flatnonzero(chosen[:10]), range(5))
    assert strongest(weights, labels, 0.001).sum() == 1


TARGETS = np.array([0, 2, 4])
CSV = "split,example\ntrain,1\ntrain,3\ntest,2\ntest,1\n"


def test_a_group_of_the_users_is_read(tmp_path):
    path = tmp_path / "corner.csv"
    path.write_text(CSV)
    found = proof.of_group("corner", path, np.zeros(6, int), 5, TARGETS)
    np.testing.assert_allclose(found.examples, np.array([0, 1, 0, 1, 0, 0]) / np.sqrt(2))
    np.testing.assert_array_equal(found.targets, [0, 1, 0])  # test image 1 is no target
    assert found.source == "group corner"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as a CSV file"),
        ("a,b\n1,2\n", "must have the columns split and example"),
        ("split,example\ntrain,1\n", "names no test image"),
        ("split,example\ntrain,6\ntest,0\n", "example of train must be a whole number, 0 to 5"),
        ("split,example\ntrain,x\ntest,0\n", "example of train must be a whole number"),
        ("split,example\ntrain,1\ntest,1\n", "names no test image that directions are found on"),
        (CSV + "other,1\n", "split must be train or test"),
        (CSV + "train,0\ntrain,2\n", "holds more than half of the training images of class 0"),
    ],
)
def test_a_groups_file_that_says_something_else_is_one_line(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)  # a message that is cut in its middle depends on the path
    path = Path("corner.csv")
    path.write_text(text)
    with pytest.raises(UserError, match=f"corner.csv: .*{words}") as raised:
        proof.of_group("corner", path, np.zeros(6, int), 5, TARGETS)
    assert "\n" not in str(raised.value)


def test_too_few_models_leave_it_open():
    one = Retrained(first=np.ones(1), second=np.zeros(4))
    (found,) = proof.prove([[(one, one)]])
    assert found.verdict == "open"
    assert np.isnan(found.p_value)
    assert found.needed is None


def test_models_that_failed_are_left_out():
    high = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    found = Retrained.of(high, high[:1], np.array([3.0, -3.0]), relative=False)
    np.testing.assert_allclose(found.first, [-0.5, -0.5])
    np.testing.assert_allclose(found.second, [-0.5])


def test_relative_margins_know_no_temperature():
    random = np.random.default_rng(0)
    first, second, targets = random.normal(size=(3, 5, 8))
    cold = Retrained.of(first, second, targets[0], relative=True)
    hot = Retrained.of(first / 2, second / np.arange(1, 6)[:, None], targets[0], relative=True)
    np.testing.assert_allclose(cold.first, hot.first)
    np.testing.assert_allclose(cold.second, hot.second)
    expected = (first / np.sqrt((first**2).mean(1))[:, None]) @ targets[0]
    np.testing.assert_allclose(cold.first, expected / np.abs(targets[0]).sum())


def test_a_verdict_needs_the_corrected_level():
    wide = Effect(5, 1, 9)
    assert decided(wide, Effect(0, -1, 1), wide, 0.06) == "open"
    assert decided(wide, Effect(0, -1, 1), wide, 0.04) == "only"
    assert decided(wide, Effect(2, 1, 3), wide, 0.04) == "more"
