"""Influences by gradients: closed forms, retraining, traker, projections, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from modeldiff.attribution import gradients, trak
from modeldiff.attribution.gradients import influences
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images
from modeldiff.study.components import Component
from modeldiff.training import engine
from modeldiff.training.models import MODELS
from modeldiff.training.nets import tensors
from modeldiff.training.trained_models import TrainedModels


class Line(nn.Module):
    """A margin that is linear in the weights: logits 0 and w x."""

    def __init__(self, shape, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(int(np.prod(shape))))

    def forward(self, x):
        value = x.flatten(1) @ self.weight
        return torch.stack([torch.zeros_like(value), value], 1)


def stack(algorithm, modules, source="a test"):
    """Modules as trained models of one algorithm."""
    state = {
        name: torch.stack([tensors(module)[name].detach() for module in modules])
        for name in tensors(modules[0])
    }
    return TrainedModels(algorithm, modules[0], state, True, source)


def images(n, seed, shape=(1, 5, 5)):
    random = np.random.default_rng(seed)
    return random.random((n, *shape), np.float32)


def whole(found, n_targets, model=0):
    """The influences at one model, of all targets."""
    parts = [each for each in found if each.model == model]
    assert [row for each in parts for row in each.targets] == list(range(n_targets))
    return torch.cat([each.values for each in parts]).numpy(), parts[0].wrong.numpy()


@pytest.fixture
def line(study, monkeypatch):
    monkeypatch.setitem(MODELS, "line", Line)
    return replace(study.algorithms["plain"], model=Component("line", {}), preprocess=[])


@pytest.mark.parametrize("n_train", [12, 60])  # fewer and more examples than parameters
def test_leaving_one_out_of_a_regression_is_exact(line, n_train, monkeypatch):
    """Of ridge regression: x_t (X'X + lambda I)^-1 x_i e_i / (1 - h_i)."""
    monkeypatch.setattr(gradients, "TARGETS", 3)
    train = Images(images(n_train, 0), np.ones(n_train, np.int64))
    targets = Images(images(7, 1), np.ones(7, np.int64))
    module = Line((1, 5, 5), 2)
    found, _ = whole(influences(stack(line, [module]), train, targets, damping=0.3), 7)
    x, t = (
        data.images.reshape(len(data.images), -1).astype(np.float64) for data in (train, targets)
    )
    ridge = 0.3 * (x**2).sum(1).mean()
    y = np.random.default_rng(2).normal(size=n_train)

    def predicted(rows):
        hessian = x[rows].T @ x[rows] + ridge * np.eye(25)
        return t @ np.linalg.solve(hessian, x[rows].T @ y[rows])

    everything = np.arange(n_train)
    hat = x @ np.linalg.solve(x.T @ x + ridge * np.eye(25), x.T)
    error = y - hat @ y
    for i in range(n_train):
        left_out = predicted(everything) - predicted(np.delete(everything, i))
        np.testing.assert_allclose(
            found[:, i] * error[i] / (1 - hat[i, i]), left_out, rtol=1e-3, atol=1e-5
        )


def test_what_the_model_gets_wrong_is_one_less_its_probability(line):
    module = Line((1, 5, 5), 2)
    nn.init.normal_(module.weight)
    train = Images(images(9, 0), np.array([0, 1] * 4 + [1]))
    (found,) = influences(stack(line, [module]), train, Images(images(2, 1), np.array([0, 1])))
    with torch.no_grad():
        p = module(torch.from_numpy(train.images)).softmax(1)
    own = p[torch.arange(9), torch.from_numpy(train.labels)]
    torch.testing.assert_close(found.wrong, 1 - own)


def nets(study, data, n=2, **changes):
    """Models of the study's first algorithm, as they are at first."""
    algorithm = replace(study.algorithms["plain"], **changes)
    shape = data.train.images.shape[1:]
    torch.manual_seed(0)
    modules = [MODELS[algorithm.model.name](shape, 10, **algorithm.model.options) for _ in range(n)]
    return stack(algorithm, modules)


def some(data, n_train, n_targets):
    train = Images(data.train.images[:n_train], data.train.labels[:n_train])
    return train, Images(data.test.images[:n_targets], data.test.labels[:n_targets])


def by_hand(trained, model, data):
    """Gradients by a loop over examples: float64."""
    module, algorithm = trained.module, trained.algorithm
    module.load_state_dict({name: t[model] for name, t in trained.state.items()}, strict=False)
    module.eval()
    rows = []
    for image, label in zip(data.images, data.labels, strict=True):
        prepared = engine.prepare(algorithm, torch.from_numpy(image)[None].float() / 255)
        logits = module(prepared)
        if algorithm.flip_average:
            logits = (logits + module(prepared.flip(3))) / 2
        others = torch.cat([logits[0, :label], logits[0, label + 1 :]])
        margin = logits[0, label] - others.logsumexp(0)
        learned = [p for p in module.parameters() if p.requires_grad]
        own = torch.autograd.grad(margin, learned)
        rows.append(torch.cat([each.flatten() for each in own]))
    return torch.stack(rows).double().numpy()


NORMALISE = Component("normalise", {"mean": [0.4], "sd": [0.3]})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": Component("convnet", {"width": 3}), "flip_average": True},
        {"model": Component("convnet", {"width": 3}), "preprocess": [NORMALISE]},
    ],
)
def test_a_net_equals_a_loop_over_its_examples(study, data, changes):
    trained, (train, targets) = nets(study, data, **changes), some(data, 20, 5)
    for model in range(2):
        found, _ = whole(influences(trained, train, targets, damping=0.5), 5, model)
        g, t = by_hand(trained, model, train), by_hand(trained, model, targets)
        ridge = 0.5 * (g**2).sum(1).mean()
        expected = t @ g.T @ np.linalg.inv(g @ g.T + ridge * np.eye(20))
        np.testing.assert_allclose(found, expected, atol=2e-4 * abs(expected).max())


@pytest.mark.parametrize("name", ["resnet9", "airbench"])
def test_statistics_of_batches_and_fixed_layers_stay_as_they_are(study, name):
    """Batch normalisation in use is a constant; airbench's first layer does not learn."""
    algorithm = replace(
        study.algorithms["plain"], model=Component(name, {}), preprocess=[], flip_average=False
    )
    torch.manual_seed(0)
    module = MODELS[name]((3, 32, 32), 10)
    trained = stack(algorithm, [module.eval()])
    random = np.random.default_rng(0)
    train, targets = (
        Images(random.integers(0, 256, (n, 3, 32, 32), np.uint8), np.arange(n) % 10) for n in (6, 2)
    )
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    found, _ = whole(influences(trained, train, targets), 2)
    g, t = by_hand(trained, 0, train), by_hand(trained, 0, targets)
    expected = t @ g.T @ np.linalg.inv(g @ g.T + (g**2).sum(1).mean() * np.eye(6))
    np.testing.assert_allclose(found, expected, atol=1e-3 * abs(expected).max())
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_a_projection_keeps_products_and_the_influences(study, data, monkeypatch):
    monkeypatch.setattr(gradients, "BLOCK", 1000)
    trained, (train, targets) = nets(study, data, 1), some(data, 100, 30)
    exact, _ = whole(influences(trained, train, targets), 30)
    errors = []
    for dimensions in (200, 2000):
        near, _ = whole(influences(trained, train, targets, dimensions=dimensions), 30)
        errors.append(np.linalg.norm(near - exact) / np.linalg.norm(exact))
        again, _ = whole(influences(trained, train, targets, dimensions=dimensions), 30)
        np.testing.assert_array_equal(near, again)
    assert errors[1] < errors[0] / 2
    assert errors[1] < 0.3


def test_gradients_that_are_too_many_are_projected(study, data, monkeypatch):
    trained, (train, targets) = nets(study, data, 1), some(data, 50, 5)
    monkeypatch.setattr(gradients, "FEATURES", 50 * 64)
    by_itself, _ = whole(influences(trained, train, targets), 5)
    asked, _ = whole(influences(trained, train, targets, dimensions=64), 5)
    np.testing.assert_array_equal(by_itself, asked)


def test_traker_says_the_same(line, tmp_path):
    """Its scores have no damping; ours with as good as none, times 1 - p, are the same."""
    pytest.importorskip("trak", reason="traker is not installed")
    shape = (1, 11, 11)  # onto as many dimensions, so that its projection changes nothing
    module = Line(shape, 2)
    nn.init.normal_(module.weight)
    labels = np.arange(400) % 2
    train = Images(images(400, 0, shape), labels)
    targets = Images(images(20, 1, shape), labels[:20])
    found, wrong = whole(influences(stack(line, [module]), train, targets, damping=1e-6), 20)
    loaders = [
        DataLoader(TensorDataset(torch.from_numpy(d.images), torch.from_numpy(d.labels)), 50)
        for d in (train, targets)
    ]
    theirs = trak.scores(module, [module.state_dict()], *loaders, tmp_path, projected=121)
    assert np.corrcoef(theirs.ravel(), (found * wrong).ravel())[0, 1] > 0.98


def test_a_model_that_cannot_be_differentiated_by_example_is_one_line(study, data):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            if float(x.sum()) > 0:  # reads a value back
                return self.layer(x.flatten(1))
            return self.layer(-x.flatten(1))

    algorithm = replace(study.algorithms["plain"], model=Component("mine.py:net", {}))
    train, targets = some(data, 5, 2)
    with pytest.raises(UserError, match=r"mine\.py:net"):
        list(influences(stack(algorithm, [Counting()]), train, targets))
