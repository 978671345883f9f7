"""Baselines on trained models: features, decision distances, the step, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from modeldiff.baselines import Pool, decision_distances, methods
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images, as_float
from modeldiff.study.components import Component
from modeldiff.training import Member, engine
from modeldiff.training.features import features
from modeldiff.training.models import MODELS


def trained(study, data, models, name="plain", **changed):
    algorithm = replace(study.algorithms[name], **changed)
    everything = np.arange(len(data.train.labels))
    members = [Member((name, m), everything) for m in range(models)]
    groups = engine.train(algorithm, data.train, len(data.classes), members, width=models)
    return next(iter(groups))


def shown(data, n=120):
    return Images(data.test.images[:n], data.test.labels[:n])


def pool_of(a, b, data, n=120):
    return Pool.of([a], [b], shown(data, n), data.classes, "test")


@pytest.fixture(scope="module")
def three(study, data):
    """Three models that share nothing but the recipe."""
    return trained(study, data, 3)


def tuned(parents, data):
    """Children: each of the models trained further, on images that are a third darker."""
    images = torch.from_numpy(as_float(data.train.images[:400])) * 0.67
    labels = torch.from_numpy(data.train.labels[:400])
    children = {name: tensor.clone() for name, tensor in parents.state.items()}
    for model in range(3):
        own = {name: t[model].clone().requires_grad_() for name, t in children.items()}
        optimizer = torch.optim.SGD(own.values(), lr=0.05)
        for _ in range(40):
            logits = functional_call(parents.module, own, (images,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, labels).backward()
            optimizer.step()
        for name, tensor in own.items():
            children[name][model] = tensor.detach()
    return replace(parents, state=children)


def test_a_child_is_closer_to_its_parent_than_to_strangers(three, data):
    pool = pool_of(three, tuned(three, data), data)
    distances = decision_distances.ddv(pool)
    children = distances[:3, 3:]
    strangers = distances[:3, :3][~np.eye(3, dtype=bool)]
    assert np.diag(children).max() < min(strangers.min(), children[~np.eye(3, dtype=bool)].min())
    assert np.diag(distances) == pytest.approx(np.zeros(6), abs=1e-9)
    assert (decision_distances.ddv(pool) == distances).all()


def test_partners_lie_near_their_seeds_and_move_outputs_further_than_chance(three, data):
    pool = pool_of(three, three, data)
    seeds = torch.from_numpy(as_float(data.test.images[:20]))
    partners = decision_distances.adversarial(pool, seeds)
    assert float((partners - seeds).abs().max()) <= decision_distances.RADIUS + 1e-6
    assert float(partners.min()) >= 0
    assert float(partners.max()) <= 1
    random = torch.rand(seeds.shape, generator=torch.Generator().manual_seed(0))
    chance = (seeds + decision_distances.RADIUS * (2 * random - 1)).clamp(0, 1)
    with torch.no_grad():
        before = pool.outputs(seeds)
        moved = (pool.outputs(partners) - before).norm(dim=2).mean()
        by_chance = (pool.outputs(chance) - before).norm(dim=2).mean()
    assert moved > 3 * by_chance


def test_features_are_what_the_last_linear_layer_is_given(three, data):
    images = data.test.images[:7]
    found = features(three, images)
    names = list(three.state)  # of two linear layers
    flat = torch.from_numpy(as_float(images)).flatten(1)
    for model in range(3):
        weight, bias, last, offset = (three.state[name][model] for name in names)
        hidden = (flat @ weight.T + bias).relu()
        torch.testing.assert_close(found[model], hidden)
        torch.testing.assert_close(hidden @ last.T + offset, three.logits(images)[model])
    one = replace(three, state={name: tensor[1:2] for name, tensor in three.state.items()})
    torch.testing.assert_close(features(one, images)[0], found[1])


class NoLinear(nn.Module):
    """Logits by a convolution over the whole image."""

    def __init__(self, shape, classes):
        super().__init__()
        self.whole = nn.Conv2d(shape[0], classes, shape[1:])

    def forward(self, x):
        return self.whole(x).flatten(1)


def test_a_model_without_a_linear_layer_has_no_features_but_predictions(study, data, monkeypatch):
    monkeypatch.setitem(MODELS, "no linear", NoLinear)
    models = trained(study, data, 3, model=Component("no linear", {}), epochs=1)
    pool = pool_of(models, models, data)
    assert methods.measures("predictions")["churn"].of(pool).shape == (6, 6, 120)
    with pytest.raises(UserError, match=r"model no linear: no `nn\.Linear` runs in it"):
        methods.measures("cka")["CKA"].of(pool)


def test_models_whose_outputs_are_not_finite_are_left_out(three, data):
    state = {name: tensor.clone() for name, tensor in three.state.items()}
    next(iter(state.values()))[1] = torch.nan
    pool = pool_of(replace(three, state=state), three, data)
    assert pool.sizes == (2, 3)
    assert pool.failed == (1, 0)
    kept = three.logits(shown(data).images)[[0, 2]].numpy()
    np.testing.assert_array_equal(pool.logits[:2], kept)
    with torch.no_grad():
        again = pool.outputs(torch.from_numpy(as_float(shown(data).images))).numpy()
    np.testing.assert_allclose(again, pool.logits, rtol=1e-5, atol=1e-5)


def test_the_first_models_of_either_recipe_are_the_same_models(three, data):
    pool = Pool.of([three, three], [three], shown(data), data.classes, "test")
    few = pool.first(2)
    assert few.sizes == (2, 2)
    np.testing.assert_array_equal(few.logits, pool.logits[[0, 1, 6, 7]])
    some = torch.from_numpy(as_float(data.test.images[:9]))
    with torch.no_grad():
        torch.testing.assert_close(few.outputs(some), pool.outputs(some)[[0, 1, 6, 7]])
    most = pool.first(4)
    assert most.sizes == (4, 3)
    np.testing.assert_array_equal(most.logits, pool.logits[[0, 1, 2, 3, 6, 7, 8]])


OWN = """
import numpy as np

def short(pool):
    return np.zeros((2, 2))

def lopsided(pool):
    return np.arange(pool.models**2, dtype=float).reshape(pool.models, -1)

def broken(pool):
    raise RuntimeError("no idea")
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("short", r"returned float64 \[2 x 2\]; must be a numpy array of floats, \[6 x 6\] or"),
        ("lopsided", "not symmetric, or not finite"),
        ("broken", "RuntimeError: no idea"),
    ],
)
def test_a_method_of_one_s_own_that_breaks_the_contract_is_named(
    three, data, tmp_path, monkeypatch, name, said
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_distances.py").write_text(OWN)
    pool = pool_of(three, three, data)
    path = f"own_distances:{name}"
    with pytest.raises(UserError, match=f"^{path}.*{said}"):
        methods.measures(path)[path].of(pool)
