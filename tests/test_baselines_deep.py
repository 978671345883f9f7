"""Deep CCA: the two halves of digits, another implementation, networks that learn nothing new."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA
from sklearn.datasets import load_digits

from modeldiff.baselines import Pool, deep_cca
from modeldiff.dataset import Images

KINDS = {
    "linear": deep_cca._as_they_are,
    "deep": partial(deep_cca.networks, scaled=False),
    "scaled": partial(deep_cca.networks, scaled=True),
}


def pool_of(features):
    """A pool of models of which nothing but their features is known."""
    models, images = len(features), len(features[0])
    shown = Images(np.zeros((images, 1, 8, 8), np.uint8), np.zeros(images, int))
    logits = np.zeros((models, images, 2))
    pool = Pool((), (models - 1, 1), (0, 0), shown, ("a", "b"), logits, ("test",))
    pool.__dict__["features"] = features  # where they are kept once they are known
    return pool


def test_halves_of_digits_correlate_more_by_networks_and_most_by_scaled_ones():
    """As published of MNIST (29.05, 46.70, 47.49 of 50), of 20 on 497 unseen images."""
    digits = torch.from_numpy(load_digits().images.astype(np.float32))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(digits)))
    halves = digits[order, :, :4].flatten(1), digits[order, :, 4:].flatten(1)
    seen = tuple(half[:1300] for half in halves)
    unseen = tuple(half[1300:] for half in halves)
    total = {}
    for name, train in KINDS.items():
        found = deep_cca.unseen_correlations(seen, unseen, 20, 0, train)
        assert found.shape == (20,)
        total[name] = found.sum()
    # Of four seeds: 7.3 to 7.6, 14.1 to 14.5, 15.0 to 15.4.
    assert total["linear"] + 5 < total["deep"] < total["scaled"] < 20


def test_linear_correlations_are_those_of_another_implementation():
    random = np.random.default_rng(0)
    shared = random.normal(size=(4000, 2))
    x = np.c_[shared, random.normal(size=(4000, 3))] @ random.normal(size=(5, 5))
    y = np.c_[shared + 0.7 * random.normal(size=(4000, 2)), random.normal(size=(4000, 1))]
    views = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    seen = views[0][:3000], views[1][:3000]
    unseen = views[0][3000:], views[1][3000:]
    found = deep_cca.unseen_correlations(seen, unseen, 2, 0, KINDS["linear"])
    a, b = CCA(2, max_iter=5000).fit(x[:3000], y[:3000]).transform(x[3000:], y[3000:])
    wanted = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)]
    np.testing.assert_allclose(found, wanted, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_views_that_share_nothing_do_not_correlate_on_unseen_images(kind):
    torch.manual_seed(0)
    views = torch.randn(2, 400, 30)
    seen, unseen = (views[0, :200], views[1, :200]), (views[0, 200:], views[1, 200:])
    found = deep_cca.unseen_correlations(seen, unseen, 10, 0, KINDS[kind])
    assert found.mean() < 0.12
    again = deep_cca.unseen_correlations(seen, unseen, 10, 0, KINDS[kind])
    assert (found == again).all()


def test_distances_are_small_between_models_that_share_their_features():
    random = np.random.default_rng(2)
    signal = random.normal(size=(300, 12)).astype(np.float32)
    features = [
        signal + 0.1 * random.normal(size=signal.shape).astype(np.float32),
        signal @ np.linalg.qr(random.normal(size=(12, 12)))[0].astype(np.float32) * 3,
        random.normal(size=(300, 8)).astype(np.float32),
    ]
    distances = deep_cca.linear(pool_of(features))
    assert distances[0, 1] < 0.05
    assert distances[0, 2] > 0.8
    assert (distances == distances.T).all()


def test_distances_do_not_know_which_models_come_first(monkeypatch):
    """What the exchange of models needs: in another order the same distances, to the last bit."""
    monkeypatch.setattr(deep_cca, "EPOCHS", 3)
    random = np.random.default_rng(0)
    signal = random.normal(size=(80, 6))
    features = []
    for _ in range(4):
        seen = np.c_[signal, random.normal(size=(80, 4))] @ random.normal(size=(10, 10))
        features.append(seen.astype(np.float32))
    first, second = (torch.from_numpy(one) for one in features[:2])
    found = []
    for views in ((first, second), (second, first)):
        seen, unseen = [view[:40] for view in views], [view[40:] for view in views]
        found.append(deep_cca.unseen_correlations(seen, unseen, 3, 0, KINDS["deep"]))
    assert np.abs(found[0] - found[1]).max() > 0.01  # of two, it does matter which is first
    order = [2, 0, 3, 1]
    for measure in (deep_cca.linear, deep_cca.deep, deep_cca.scaled):
        distances = measure(pool_of(features))
        moved = measure(pool_of([features[model] for model in order]))
        assert (moved == distances[np.ix_(order, order)]).all()
