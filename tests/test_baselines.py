"""Distances between models, and the test of them: by hand, by other implementations, by level."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from sklearn.cross_decomposition import CCA
from sklearn.metrics import cohen_kappa_score

from modeldiff.baselines import Pool, exchange, named
from modeldiff.baselines.features import cka, pwcca, similarities, svcca
from modeldiff.baselines.predictions import churn, error_consistency, jensen_shannon
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images


def apart(points):
    """Squared distances of points [models x dimensions]."""
    return ((points[:, None] - points[None]) ** 2).sum(2)


def pool_of(logits=None, labels=None, features=None):
    """A pool of models that need not be trained."""
    n = len(labels) if labels is not None else len(features[0])
    shown = Images(np.zeros((n, 1, 8, 8), np.uint8), np.zeros(n, int) if labels is None else labels)
    pool = Pool((), (2, 2), (0, 0), shown, ("a", "b", "c"), logits, ("test",))
    if features is not None:
        pool.__dict__["features"] = features  # where they are kept once they are known
    return pool


def test_the_excess_and_its_p_value_by_hand():
    points = np.array([[0.0], [1.0], [2.0], [4.0], [5.0], [7.0]])
    distances = np.abs(points - points.T)
    found = exchange(distances, (3, 3), 0)
    assert found.within_a == pytest.approx(4 / 3)
    assert found.within_b == pytest.approx(2)
    assert found.between == pytest.approx((4 + 5 + 7 + 3 + 4 + 6 + 2 + 3 + 5) / 9)
    assert found.value == pytest.approx(13 / 3 - 5 / 3)
    reached = 0
    for chosen in combinations(range(6), 3):
        rest = [i for i in range(6) if i not in chosen]
        within = [abs(points[i] - points[j]) for g in (chosen, rest) for i, j in combinations(g, 2)]
        between = [abs(points[i] - points[j]) for i in chosen for j in rest]
        reached += np.mean(between) - np.mean(within) >= found.value - 1e-12
    assert found.p_value == reached / 20 == 0.1  # the truth and its mirror image alone


def test_models_of_one_recipe_are_told_apart_in_a_twentieth_of_cases():
    random = np.random.default_rng(0)
    p_values = []
    for draw in range(400):
        points = random.standard_t(3, (14, 4)) * [1, 5, 1, 1]
        p_values.append(exchange(apart(points), (6, 8), draw).p_value)
    # 20 expected of 400; 33 or more in 3 of 1,000 such tests.
    assert (np.array(p_values) <= 0.05).sum() < 33
    assert (np.array(p_values) <= 0.5).sum() == pytest.approx(200, abs=35)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_interval_holds_the_excess(shift):
    """Of squared distances of normal points, the excess is the squared distance of their means."""
    random = np.random.default_rng(1)
    held = 0
    for draw in range(300):
        points = random.normal(size=(16, 3)) * [1, 1, 2]
        points[:8, 0] += shift
        found = exchange(apart(points), (8, 8), draw)
        held += found.low <= shift**2 <= found.high
    assert held >= 0.92 * 300


def test_images_are_named_that_differ_and_others_seldom():
    random = np.random.default_rng(2)
    false = 0
    for draw in range(100):
        values = random.random((12, 60)) < 0.3
        by_image = (values[:, None] != values[None]).astype(np.float32)
        false += len(named(by_image, (6, 6), draw).chosen) > 0
    assert false <= 12  # 5 expected; 13 or more in 2 of 1,000 such tests
    values[:6, :5], values[6:, :5] = 1, 0
    by_image = (values[:, None] != values[None]).astype(np.float32)
    found = named(by_image, (6, 6), 0)
    assert sorted(found.chosen) == [0, 1, 2, 3, 4]
    whole = exchange(by_image.mean(2, dtype=float), (6, 6), 0)
    assert found.scores.mean() == pytest.approx(whole.value)


def test_what_cannot_be_tested_is_refused_in_one_line():
    with pytest.raises(UserError, match="2 and 3 models: must be 3 or more of each"):
        exchange(np.zeros((5, 5)), (2, 3))
    with pytest.raises(UserError, match=r"\[5 x 4\]; must be \[6 x 6\] or \[6 x 6 x images\]"):
        exchange(np.zeros((5, 4)), (3, 3))
    with pytest.raises(UserError, match="not all finite"):
        exchange(np.full((6, 6), np.nan), (3, 3))


def test_predictions_by_hand_and_by_other_implementations():
    random = np.random.default_rng(3)
    logits = random.normal(size=(4, 30, 3)).astype(np.float32) * 2
    labels = random.integers(0, 3, 30)
    logits[3] = 5 * np.eye(3)[labels]  # a model that is always right
    pool = pool_of(logits, labels)
    predicted = logits.argmax(2)
    assert churn(pool)[0, 1].sum() == (predicted[0] != predicted[1]).sum()
    distances = error_consistency(pool)
    right = predicted == labels
    kappa = cohen_kappa_score(right[0], right[1])
    assert distances[0, 1] == pytest.approx(1 - kappa)
    # By hand: of 8 images one is right on 6, the other on 4, both right or wrong on 6; 4 expected.
    first, second = np.array([1, 1, 1, 1, 1, 1, 0, 0]), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    two = np.stack([first, second, first, second])[:, :, None] * np.array([2.0, 0, 0]) + [0, 1, 0]
    by_hand = error_consistency(pool_of(two, np.zeros(8, int)))
    assert by_hand[0, 1] == pytest.approx(1 - (0.75 - 0.5) / (1 - 0.5))
    assert by_hand[0, 2] == pytest.approx(0)
    assert distances[3, 3] == 0  # nothing is expected of chance, and nothing differs
    p = torch.from_numpy(logits).softmax(2).double().numpy()
    wanted = jensenshannon(p[0], p[2], base=2, axis=1) ** 2
    np.testing.assert_allclose(jensen_shannon(pool)[2, 0], wanted, atol=1e-6)


def unbiased_hsic(k, m):
    """Song et al. 2012, eq. 5, word for word."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    both = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (both - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def rotation(d, random):
    return np.linalg.qr(random.normal(size=(d, d)))[0]


def test_cka_is_the_published_formula_and_ignores_rotations_and_sizes():
    random = np.random.default_rng(4)
    x = random.normal(size=(40, 6)) + 3
    y = x @ random.normal(size=(6, 9)) + random.normal(size=(40, 9))
    found = similarities([x, y, -7.5 * x @ rotation(6, random)])
    k, m = x @ x.T, y @ y.T
    wanted = unbiased_hsic(k, m) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))
    assert found[0, 1] == pytest.approx(wanted, abs=1e-12)
    assert found[0, 2] == pytest.approx(1, abs=1e-12)
    assert found[1, 2] == pytest.approx(found[0, 1], abs=1e-12)
    assert cka(pool_of(features=[x, y]))[0, 1] == pytest.approx(1 - wanted)


def test_cka_of_features_that_share_nothing_is_about_zero_however_few_images():
    random = np.random.default_rng(5)
    values = []
    for _ in range(200):
        values.append(similarities(list(random.normal(size=(2, 25, 60))))[0, 1])
    assert np.mean(values) == pytest.approx(0, abs=0.02)  # biased CKA is about .7 here
    with pytest.raises(UserError, match="features of model 1 are the same for all images"):
        similarities([random.normal(size=(30, 2)), np.ones((30, 2))])
    with pytest.raises(UserError, match="of 19 images: must be of 20 or more"):
        similarities([np.zeros((19, 2))])


def test_canonical_correlations_are_those_of_another_implementation():
    random = np.random.default_rng(6)
    x = random.normal(size=(200, 3))
    y = np.c_[x[:, :2] + random.normal(size=(200, 2)), random.normal(size=200)]
    a, b = CCA(3, max_iter=10_000, tol=1e-12).fit_transform(x, y)
    wanted = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)]
    turned = 4 * x @ rotation(3, random) + 2
    pool = pool_of(features=[x, y, turned, random.normal(size=(200, 3))])
    mean = svcca(pool)
    assert 1 - mean[0, 1] == pytest.approx(np.mean(wanted), abs=1e-4)
    assert mean[0, 2] == pytest.approx(0, abs=1e-9)
    assert mean[1, 2] == pytest.approx(mean[0, 1], abs=1e-9)
    weighted = pwcca(pool)
    assert weighted[0, 2] == pytest.approx(0, abs=1e-9)
    assert 1 - weighted[0, 1] > 1 - weighted[0, 3]
    # Its weights by hand: how much of the centred features each canonical variate of x is of.
    own, _ = np.linalg.qr(x - x.mean(0))
    others, _ = np.linalg.qr(y - y.mean(0))
    left, values, right = np.linalg.svd(own.T @ others)
    of_x = np.abs((own @ left).T @ (x - x.mean(0))).sum(1)
    of_y = np.abs((others @ right.T).T @ (y - y.mean(0))).sum(1)
    by_hand = (values @ of_x / of_x.sum() + values @ of_y / of_y.sum()) / 2
    assert 1 - weighted[0, 1] == pytest.approx(by_hand, abs=1e-9)


def test_canonical_correlations_take_few_components_where_there_are_few_images():
    """With as many dimensions as images everything would correlate fully."""
    random = np.random.default_rng(7)
    pool = pool_of(features=list(random.normal(size=(2, 60, 80))))
    assert svcca(pool)[0, 1] > 0.6
