"""Joint surrogate trees: exhaustive search, boxes, breast cancer, and rules about images."""

from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from modeldiff import transformations
from modeldiff.baselines import Pool, joint_tree, surrogate_trees
from modeldiff.baselines.attributes import attributes
from modeldiff.baselines.joint_tree import Diverge, Growth, Leaf, Split
from modeldiff.dataset import Images, as_float
from modeldiff.study.components import Component

APART = float("inf")  # of `Growth.shared`: two separate trees


def entropy(labels):
    _, counts = np.unique(labels, return_counts=True)
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum()


def best_by_search(x, labels):
    """The least mean entropy of all splits, by trying each."""
    least = np.inf
    for attribute in range(x.shape[1]):
        for threshold in x[:, attribute]:
            low = x[:, attribute] <= threshold
            if 0 < low.sum() < len(x):
                parts = [(own[low], own[~low]) for own in labels]
                after = [sum(len(p) * entropy(p) for p in both) / len(x) for both in parts]
                least = min(least, np.mean(after))
    return least


@pytest.mark.parametrize("seed", range(5))
def test_splits_are_the_best_that_exhaustive_search_finds(seed):
    random = np.random.default_rng(seed)
    x = random.integers(0, 6, (30, 3)) + random.normal(size=(1, 3))
    labels = random.integers(0, 3, (2, 30))
    root = joint_tree.fit(x, *labels, Growth(depth=1, fewest=1, shared=0))
    low = x[:, root.attribute] <= root.threshold
    reached = []
    for own in labels:
        reached.append((low.sum() * entropy(own[low]) + (~low).sum() * entropy(own[~low])) / 30)
    assert np.mean(reached) == pytest.approx(best_by_search(x, labels))
    alone = joint_tree.fit(x, *labels, Growth(depth=1, fewest=1, shared=APART)).first
    low = x[:, alone.attribute] <= alone.threshold
    own = labels[0]
    after = (low.sum() * entropy(own[low]) + (~low).sum() * entropy(own[~low])) / 30
    assert after == pytest.approx(best_by_search(x, labels[:1]))


def test_a_box_in_which_two_models_differ_is_found_exactly():
    x = np.array(list(product(np.arange(10.0), repeat=2)))
    first = (x[:, 0] > 4.5).astype(int)
    second = np.where((x[:, 0] < 4.5) & (x[:, 1] > 6), 1, first)
    (rule,) = joint_tree.rules(x, first, second)
    assert (rule.first, rule.second) == (0, 1)
    np.testing.assert_array_equal(rule.covers(x), first != second)
    assert joint_tree.rules(x, first, first) == []


def test_trees_share_splits_until_one_model_is_decided():
    """The toy of a shared root: then the first model is decided, the second is not."""
    x = np.array(list(product(np.arange(10.0), repeat=2)))
    first = (x[:, 0] > 4.5).astype(int)
    second = first * (x[:, 1] > 4.5)
    root = joint_tree.fit(x, first, second)
    assert isinstance(root, Split)
    assert (root.attribute, root.threshold) == (0, 4.5)
    assert root.low == Leaf(0)
    assert isinstance(root.high, Diverge)
    assert root.high.first == Leaf(1)
    assert root.high.second == Split(1, 4.5, Leaf(0), Leaf(1))


@pytest.mark.parametrize("shared", [0, 0.5, 1, APART])
def test_rules_cover_just_what_the_two_trees_say_differently(shared):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4))
    first = (x[:, 0] + 0.5 * x[:, 1] > 0).astype(int) + (x[:, 2] > 1)
    second = (x[:, 0] + 0.3 * x[:, 3] > 0).astype(int)
    tree = joint_tree.fit(x, first, second, Growth(shared=shared))
    more = random.normal(size=(1000, 4))
    covered = np.zeros(1000, bool)
    for rule in joint_tree.differences(tree, {}):
        inside = rule.covers(more)
        assert not (covered & inside).any()
        covered |= inside
        said = joint_tree.says(tree, more[inside])
        assert (said == [[rule.first], [rule.second]]).all()
    np.testing.assert_array_equal(np.not_equal(*joint_tree.says(tree, more)), covered)


def test_refined_rules_leave_out_what_a_first_tree_was_too_coarse_for():
    x = np.array(list(product(np.arange(12.0), repeat=2)))
    first = np.zeros(144, int)
    second = ((x[:, 0] > 5) & (x[:, 1] > 3) & (x[:, 1] < 10)).astype(int)
    how = Growth(depth=2)
    coarse = joint_tree.covering(
        joint_tree.differences(joint_tree.fit(x, first, second, how), {}), x
    )
    fine = joint_tree.rules(x, first, second, how)

    def precision(rules):
        covered = np.any([rule.covers(x) for rule in rules], axis=0)
        return (second[covered] == 1).mean(), covered.sum()

    assert precision(coarse)[0] < 1
    assert precision(fine) == (1, second.sum())


def test_breast_cancer_takes_far_fewer_rules_jointly():
    """A tree against naive Bayes, as in the paper, over ten splits of the data."""
    x, y = load_breast_cancer(return_X_y=True)
    counts = {0.5: [], APART: [], "that cover an example": []}
    found = {taken: np.zeros(3) for taken in counts}
    for seed in range(10):
        train, test, labels, _ = train_test_split(x, y, train_size=0.7, random_state=seed)
        pair = DecisionTreeClassifier(random_state=0), GaussianNB()
        first, second = (one.fit(train, labels).predict(train) for one in pair)
        differ = np.not_equal(*(one.predict(test) for one in pair))
        taken = {}
        for shared in (0.5, APART):
            how = Growth(depth=6, fewest=1, shared=shared)
            taken[shared] = list(
                joint_tree.differences(joint_tree.fit(train, first, second, how), {})
            )
        taken["that cover an example"] = joint_tree.covering(taken[APART], train)
        for name, rules in taken.items():
            counts[name].append(len(rules))
            covered = np.any([rule.covers(test) for rule in rules], axis=0)
            found[name] += (covered & differ).sum(), covered.sum(), differ.sum()
    # Medians of 60 splits: 9, 46 and 13 rules; F1 of all images together .37, .45 and .39.
    assert np.median(counts[0.5]) <= 12
    assert np.median(counts[APART]) >= 35
    assert np.median(counts["that cover an example"]) <= 18
    f1 = {name: 2 * both / (covered + differ) for name, (both, covered, differ) in found.items()}
    # What separate trees find beyond joint ones lies mostly where there is no example.
    assert f1[0.5] > f1["that cover an example"] - 0.05
    assert f1["that cover an example"] < f1[APART]
    assert f1[0.5] > 0.3


@pytest.fixture(scope="module")
def marked():
    """Images of which a sixth have a bright corner; B is wrong on those, A on none."""
    random = np.random.default_rng(1)
    n = 240
    images = random.integers(0, 200, (n, 1, 8, 8), dtype=np.uint8)
    labels = random.integers(0, 3, n)
    corner = random.random(n) < 1 / 6
    images[corner, :, :2, :2] = 255
    logits = np.zeros((8, n, 3), np.float32)
    logits[:, np.arange(n), labels] = 5
    for model in range(4, 8):
        wrong = corner | (random.random(n) < 0.02)
        logits[model, wrong, labels[wrong]] = 0
        logits[model, wrong, (labels[wrong] + 1) % 3] = 5
    shown = Images(images, labels)
    return Pool((), (4, 4), (0, 0), shown, ("a", "b", "c"), logits, ("test",)), corner


def test_rules_about_images_name_what_sets_recipes_apart(marked):
    pool, corner = marked
    said = surrogate_trees.rules(pool)
    assert said.rules[0].words.startswith("change by watermark, size")
    assert {rule.first for rule in said.rules} == {"right"}
    assert said.precision > 0.9
    assert said.recall > 0.9
    assert said.judged[0] == 120
    assert said.judged[1] == pytest.approx(corner.sum() / 2, abs=8)
    apart = surrogate_trees.disagreement(pool)
    assert apart.shape == (8, 8, 240)
    assert apart[0, 7, corner].mean() > 0.9
    assert apart[0, 7, ~corner].mean() < 0.1
    assert (apart == apart.swapaxes(0, 1)).all()


def test_conditions_in_words():
    names = ["class 3", "brightness"]
    infinite = np.inf
    box = {0: (0.5, infinite), 1: (-infinite, 0.25)}
    yes_or_no = [True, False]
    words = surrogate_trees.in_words(box, names, yes_or_no)
    assert words == "class 3 and brightness at most 0.25"
    box = {0: (-infinite, 0.5), 1: (0.25, 0.5)}
    words = surrogate_trees.in_words(box, names, yes_or_no)
    assert words == "not class 3 and brightness above 0.25, at most 0.5"
    assert surrogate_trees.in_words({}, names, yes_or_no) == "always"


def test_attributes_by_hand(marked):
    pool, corner = marked
    names, values = attributes(pool)
    of = dict(zip(names, values.T, strict=True))
    images = as_float(pool.images.images)
    np.testing.assert_array_equal(of["class b"], pool.images.labels == 1)
    np.testing.assert_allclose(of["brightness"], images.mean((1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(of["contrast"], images.std((1, 2, 3)), rtol=1e-5)
    assert of["confidence"] == pytest.approx(np.full(240, np.exp(5) / (np.exp(5) + 2)), rel=1e-5)
    there = of["change by watermark, size 2, strength 1"]
    assert (there[corner] == 0).all()
    assert (there[~corner] > 0).all()
    part = Component("watermark", {"size": 2})
    moved = np.abs(transformations.apply(part, images, 1.0) - images).mean((1, 2, 3))
    np.testing.assert_allclose(there, moved, atol=1e-6)
    assert not any("paste" in name for name in names)
    grey = np.repeat(pool.images.images[:40], 3, axis=1)
    red = grey.copy()
    red[20:, 1:] = 0
    coloured = Pool((), (4, 4), (0, 0), Images(red, pool.images.labels[:40]), pool.classes,
                    pool.logits[:, :40], ("test",))  # fmt: skip
    names, values = attributes(coloured)
    colourfulness = values[:, names.index("colourfulness")]
    assert colourfulness[:20] == pytest.approx(np.zeros(20), abs=1e-6)
    assert (colourfulness[20:] > 0.1).all()
