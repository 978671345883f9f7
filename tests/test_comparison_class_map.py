"""The map of classes: against sums over pairs, and simulated truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from modeldiff import subsets
from modeldiff.comparison import contrast
from modeldiff.comparison.class_map import OTHERS, SHOWN, shown_classes
from modeldiff.core.errors import UserError

EXAMPLES, TARGETS, CLASSES = 60, 30, 3
OF_EXAMPLES = np.arange(EXAMPLES) % CLASSES
OF_TARGETS = np.arange(TARGETS) % CLASSES
WEIGHTS = np.random.default_rng(1).normal(size=(TARGETS, EXAMPLES))


GROUP = {"one": (np.arange(TARGETS) % 6 == 1, np.arange(EXAMPLES) % 6 == 5)}


def found(seed, *, other=None, models=150, noise=4.0, permutations=19, groups=None):
    """The map of two algorithms whose weights differ by `other` [targets x examples]."""
    rng = np.random.default_rng(seed)
    masks = subsets.draw(EXAMPLES, range(models), 0.5, seed)
    mixing = rng.normal(size=(3, TARGETS))
    margins = []
    for weights in (WEIGHTS, WEIGHTS if other is None else WEIGHTS + other):
        noisy = rng.normal(size=(models, 3)) @ mixing + rng.normal(size=(models, TARGETS))
        noisy *= np.exp(0.5 * rng.normal(size=(models, 1)))
        margins.append(masks @ weights.T + noise * noisy)
    classes = OF_TARGETS, OF_EXAMPLES
    how = {"permutations": permutations, "seed": seed, "classes": classes, "groups": groups}
    return contrast(masks, *margins, directions=1, **how), (masks, *margins)


def cell(test, train):
    """Which weights are those of a cell, bool [targets x examples]."""
    return np.outer(test == OF_TARGETS, train == OF_EXAMPLES)


def planted(test, train, size):
    """A difference in one cell alone; the mean of each row is 0, since subsets tell no more."""
    other = np.random.default_rng(2).normal(size=(TARGETS, EXAMPLES)) * cell(test, train)
    other -= other.sum(1, keepdims=True) / (train == OF_EXAMPLES).sum()
    return size * other * cell(test, train)


def test_it_is_sums_over_pairs_of_different_models(monkeypatch):
    monkeypatch.setattr("modeldiff.comparison.class_map.BLOCK", 64)  # several, the last not full
    got, (masks, a, b) = found(0, other=planted(1, 2, 3.0), noise=1.0)
    x, y, z = (v - v.mean(0) for v in (masks.astype(float), a, b))
    n = len(x)
    sums = np.zeros((3, CLASSES, CLASSES))
    for test in range(CLASSES):
        for train in range(CLASSES):
            of_train = x[:, train == OF_EXAMPLES]
            alike = of_train @ of_train.T
            alike[np.diag_indices(n)] *= -1 / (n - 1)
            one, two = (v[:, test == OF_TARGETS] for v in (y, z))
            for kind, products in enumerate((one @ one.T, two @ two.T, one @ two.T)):
                sums[kind, test, train] = (alike * products).sum()
    of_a, of_b, of_both = sums
    difference = of_a - 2 * of_both + of_b
    table = got.class_map
    assert table.classes.tolist() == [0, 1, 2]
    np.testing.assert_allclose(table.share, difference / difference.sum(), atol=1e-4)
    known = np.isfinite(table.agreement)
    assert known.sum() >= 6
    np.testing.assert_allclose(
        table.agreement[known], (of_both / np.sqrt(of_a * of_b))[known], 1e-3
    )


def test_without_noise_it_is_the_true_share_and_cosine():
    other = planted(1, 2, 3.0)
    table = found(0, other=other, models=4000, noise=0.0, permutations=1)[0].class_map
    centred = WEIGHTS - WEIGHTS.mean(1, keepdims=True)
    for test, train in ((0, 0), (1, 2), (2, 1)):
        a = centred[cell(test, train)]
        b = (centred + other)[cell(test, train)]
        cosine = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
        assert table.agreement[test, train] == pytest.approx(cosine, abs=0.03)
    assert table.share[1, 2] == pytest.approx(1, abs=0.03)
    assert table.share.sum() == pytest.approx(1)


def test_the_cell_of_a_planted_difference_stands_out_alone():
    right = 0
    alone = 0
    for seed in range(20):
        table = found(seed, other=planted(1, 2, 4.0), permutations=99)[0].class_map
        right += table.p_value[1, 2] == 0.01 and table.share.argmax() == CLASSES + 2
        alone += table.significant.sum() == 1
    assert right >= 19
    assert alone >= 16  # another cell in 1 of 20 expected; in 5 or more with chance .003


def test_a_strong_difference_makes_no_other_cell_of_its_row_stand_out():
    """Almost without noise, what one class teaches is all that disturbs the sums of the others."""
    wrong = 0
    for seed in range(60):
        table = found(seed, other=planted(1, 2, 5.0), noise=0.1, permutations=19)[0].class_map
        table.p_value[1, 2] = 1
        wrong += table.significant.any()
    assert binomtest(wrong, 60, 0.05, alternative="greater").pvalue > 0.01


def test_without_a_difference_hardly_any_cell_stands_out():
    wrong = sum(found(seed)[0].class_map.significant.any() for seed in range(100))
    assert binomtest(int(wrong), 100, 0.05, alternative="greater").pvalue > 0.01


def test_a_group_has_a_row_and_a_column_and_intervals_hold_the_true_shares():
    """Jackknifed sums over pairs are too wide, if anything (Efron & Stein 1981)."""
    other = planted(1, 2, 4.0) + planted(0, 0, 2.4)
    targets, examples = GROUP["one"]
    rows = [test == OF_TARGETS for test in range(CLASSES)] + [targets]
    columns = [train == OF_EXAMPLES for train in range(CLASSES)] + [examples]
    parts = [[(other[np.ix_(row, column)] ** 2).sum() for column in columns] for row in rows]
    truth = np.array(parts) / (other**2).sum()
    assert truth[1, 2] > truth[3, 3] > 0.1
    held = 0
    bounded = 0
    strongest = np.zeros(16)
    for seed in range(40):
        table = found(seed, other=other, noise=2.0, groups=GROUP)[0].class_map
        assert table.groups.tolist() == ["one"]
        assert table.share[:3, :3].sum() == pytest.approx(1)
        known = np.isfinite(table.low)
        bounded += known.sum()
        held += (known & (table.low <= truth) & (truth <= table.high)).sum()
        strongest += table.p_value.ravel() == 0.05  # the smallest that 19 exchanges can give
    assert bounded == 40 * 16
    assert held >= 0.93 * bounded
    assert strongest.reshape(4, 4)[3, 3] >= 38


def test_without_a_sure_difference_shares_have_no_interval():
    table = found(0)[0].class_map
    assert np.isnan(table.low).all()
    assert np.isnan(table.high).all()


def test_groups_are_of_targets_and_examples():
    _, data = found(0)
    wrong = {"one": (np.zeros(TARGETS, bool), np.zeros(3, bool))}
    classes = OF_TARGETS, OF_EXAMPLES
    with pytest.raises(UserError, match=r"groups: one holds bool \[3\]; must hold bool \[30\] and"):
        contrast(*data, directions=1, classes=classes, groups=wrong)


def test_of_many_classes_the_rarest_stand_together():
    of_targets = np.repeat(np.arange(30), np.arange(30))
    of_examples = np.arange(31)
    assert shown_classes(of_targets, of_examples).tolist() == [*range(10, 30), OTHERS]
    few = np.arange(SHOWN)
    assert shown_classes(few, few).tolist() == few.tolist()


def test_without_classes_there_is_no_map():
    _, data = found(0)
    assert contrast(*data, directions=1, permutations=1).class_map is None
