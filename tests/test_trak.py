"""TRAK scores: what they are on a linear model, and what is refused."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from modeldiff import ModelDiff
from modeldiff.attribution import trak
from modeldiff.core.errors import UserError

pytest.importorskip("trak", reason="traker is not installed")


def examples(n, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 11, 11, generator=generator)
    return TensorDataset(images, (images.sum((1, 2, 3)) > 0).long())


def trained(data, seed, steps=20):
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(121, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(data.tensors[0]), data.tensors[1]).backward()
        optimizer.step()
    return net


def test_scores_are_those_of_the_formula(tmp_path):
    """phi (Phi'Phi)^-1 Phi' (1 - p), which no projection onto as many dimensions changes."""
    data, targets = examples(200, 0), examples(10, 1)
    net = trained(data, 0)
    loaders = [DataLoader(d, 16) for d in (data, targets)]
    found = trak.scores(net, [net.state_dict()], *loaders, tmp_path, projected=122)
    assert found.shape == (10, 200)

    def gradients(d):
        """d(log p/(1-p)) / d(weights) of the correct class."""
        images, labels = d.tensors
        sign = (2.0 * labels - 1)[:, None]
        x = torch.cat([images.flatten(1), torch.ones(len(d), 1)], 1) * sign
        return torch.cat([-x, x], 1).numpy()

    train, test = gradients(data), gradients(targets)
    p = net(data.tensors[0]).softmax(1).gather(1, data.tensors[1][:, None]).detach().numpy()
    expected = test @ np.linalg.pinv(train.T @ train) @ train.T * (1 - p.T)
    without = test @ np.linalg.pinv(train.T @ train) @ train.T
    # traker inverts in float32, which costs a little of 1; that the factor 1 - p is there shows.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert np.corrcoef(found.ravel(), without.ravel())[0, 1] < 0.9


def test_the_published_class_compares_models(tmp_path):
    data, targets = examples(220, 0), examples(10, 1)
    a, b = trained(data, 0), trained(data, 1, steps=5)
    loader, val_loader = DataLoader(data, 16), DataLoader(targets, 16)
    diff = ModelDiff(a, b, [a.state_dict()], [b.state_dict()], loader, str(tmp_path))
    ab, ba = diff.get_A_minus_B(val_loader, 2), diff.get_B_minus_A(val_loader, 2)
    assert ab["directions"].shape == (2, 220)
    for side in "AB":
        np.testing.assert_array_equal(ab["scores"][side], ba["scores"][side])
    assert np.abs(ab["scores"]["A"] - ab["scores"]["B"]).max() > 0


def test_other_checkpoints_never_meet_old_features(tmp_path):
    data, targets = examples(220, 0), examples(6, 1)
    loaders = [DataLoader(d, 16) for d in (data, targets)]
    nets = [trained(data, 0), trained(data, 1, steps=3)]
    first, second = (trak.scores(n, [n.state_dict()], *loaders, tmp_path) for n in nets)
    again = trak.scores(nets[0], [nets[0].state_dict()], *loaders, tmp_path)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(again, first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"drop_last": True}])
def test_a_loader_that_would_misalign_is_refused(tmp_path, options):
    data = examples(220, 0)
    net = trained(data, 0, steps=1)
    loaders = DataLoader(data, 16, **options), DataLoader(data, 16)
    with pytest.raises(UserError, match="train_loader: shuffles or drops examples"):
        trak.scores(net, [net.state_dict()], *loaders, tmp_path)
    with pytest.raises(UserError, match="checkpoints: none given"):
        trak.scores(net, [], *loaders, tmp_path)
    few = DataLoader(examples(200, 0), 16)
    with pytest.raises(UserError, match="has 200 examples; TRAK needs more than 200"):
        trak.scores(net, [net.state_dict()], few, few, tmp_path)
