"""Merging: closed forms of each method, and what two merged models are good for."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax

from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.training import merging
from modeldiff.training.merging import (
    fisher_information,
    fisher_weights,
    input_products,
    merge,
    regression_mean,
    weighted_mean,
)
from modeldiff.training.models import MODELS


def least_squares(inputs, outputs):
    """A linear layer, float64, fitted to outputs."""
    layer = nn.Linear(inputs.shape[1], outputs.shape[1], bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.linalg.lstsq(inputs, outputs).solution.T)
    return layer


def test_regmean_of_two_least_squares_fits_is_the_pooled_fit():
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(90, 12, generator=random, dtype=torch.float64)
    inputs[:30] *= 3  # the two parts are of different size and spread
    outputs = torch.randn(90, 4, generator=random, dtype=torch.float64)
    parts = [(inputs[:30], outputs[:30]), (inputs[30:], outputs[30:])]
    layers = [least_squares(*part) for part in parts]
    products = [input_products(layer, part) for layer, (part, _) in zip(layers, parts, strict=True)]
    states = [layer.state_dict() for layer in layers]
    pooled = least_squares(inputs, outputs).weight
    merged = regression_mean(states, products, 1.0)["weight"]
    assert (merged - pooled).abs().max() <= 1e-10
    assert (regression_mean(states, products, 0.9)["weight"] - pooled).abs().max() > 1e-4
    assert (weighted_mean(states, [])["weight"] - pooled).abs().max() > 1e-2


def test_regmean_without_products_of_two_inputs_weighs_each_input_by_its_square():
    states = [{"weight": torch.tensor([[1.0, 5.0]])}, {"weight": torch.tensor([[3.0, 9.0]])}]
    products = [
        {"weight": torch.tensor([[3.0, 1.0], [1.0, 1.0]], dtype=torch.float64)},
        {"weight": torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)},
    ]
    merged = regression_mean(states, products, 0.0)["weight"]
    assert merged.tolist() == [pytest.approx([1.5, 7.0])]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def test_the_fisher_information_is_the_expectation_over_all_labels(net):
    """By a loop over images and labels, with autograd."""
    images = torch.randn(7, 5, dtype=torch.float64)
    expected = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for image in images:
        logs = log_softmax(net(image), 0)
        for label in range(3):
            gradients = torch.autograd.grad(logs[label], net.parameters(), retain_graph=True)
            for name, gradient in zip(expected, gradients, strict=True):
                expected[name] += logs[label].detach().exp() * gradient**2 / 7
    for name, information in fisher_information(net, images).items():
        torch.testing.assert_close(information, expected[name], rtol=1e-10, atol=1e-14)


def test_images_in_several_batches_give_the_same_information(net, monkeypatch):
    images = torch.randn(7, 5, dtype=torch.float64)
    whole = fisher_information(net, images)
    monkeypatch.setattr(merging, "VALUES", 3 * 40 * 2)
    for name, information in fisher_information(net, images).items():
        torch.testing.assert_close(information, whole[name], rtol=1e-12, atol=0)


def test_equal_fishers_are_the_plain_mean(net):
    other = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += torch.randn_like(parameter)
    states = [net.state_dict(), other.state_dict()]
    same = fisher_information(net, torch.randn(7, 5, dtype=torch.float64))
    merged = weighted_mean(states, fisher_weights([same, same], [0.5, 0.5]))
    for name, mean in weighted_mean(states, []).items():
        torch.testing.assert_close(merged[name], mean, rtol=0, atol=1e-10)
    # A share of all is that model, and a larger information draws the mean to its model.
    alone = weighted_mean(states, fisher_weights([same, same], [1.0, 0.0]))
    torch.testing.assert_close(alone, dict(states[0]))


@pytest.fixture(scope="module")
def halves(data):
    """Two networks from the same first weights, each trained on its half of 400 digits."""
    torch.manual_seed(0)
    images = torch.from_numpy(data.train.images[:400]).float() / 255
    labels = torch.from_numpy(data.train.labels[:400])
    first = MODELS["mlp"]((1, 8, 8), 10, hidden=32)
    models = []
    for own, wanted in zip(images.tensor_split(2), labels.tensor_split(2), strict=True):
        model = copy.deepcopy(first)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(60):
            optimizer.zero_grad()
            cross_entropy(model(own), wanted).backward()
            optimizer.step()
        models.append(model)
    return models, images, labels


@pytest.mark.parametrize("method", ["mean", "fisher", "regmean", "first"])
def test_a_merged_model_is_good_on_both_halves(halves, method):
    models, images, labels = halves
    merged = merge([copy.deepcopy(m) for m in models], images, labels, 0, method=method)
    assert merged.training
    with torch.no_grad():
        right = float((merged(images).argmax(1) == labels).double().mean())
        alone = [float((m(images).argmax(1) == labels).double().mean()) for m in models]
    if method == "first":
        assert right == alone[0]
    else:
        assert right > max(alone) - 0.02, (right, alone)


def test_batch_statistics_are_averaged_and_counts_are_not():
    models = [nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2)) for _ in range(2)]
    images = torch.randn(6, 4)
    for times, model in enumerate(models, start=1):
        for _ in range(times):
            model(times + images)
    means = [model[1].running_mean.clone() for model in models]
    merged = merge(models, images, torch.zeros(6, dtype=torch.long), 0, method="regmean")
    torch.testing.assert_close(merged[1].running_mean, sum(means) / 2)
    assert merged[1].num_batches_tracked == 1


def test_merging_needs_several_models_and_unlearning_one(config):
    plain = config["algorithms"]["plain"]
    plain["finish"] = {"name": "merge", "method": "mean"}
    with pytest.raises(UserError, match=r"finish\.name: is merge, but there is one model"):
        Study.load(config)
    plain["trains"] = 2
    Study.load(config)
    plain["finish"] = {"name": "unlearn", "method": "muso", "forget": "planted"}
    with pytest.raises(UserError, match=r"plain\.trains: is 2, but unlearn takes one model"):
        Study.load(config)
