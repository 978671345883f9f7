"""Parts of a user's own, by import path, for the tests."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy


def normalised_net(shape, classes, *, hidden):
    """A net with batch normalisation: it cannot be stacked."""
    pixels = shape[0] * shape[1] * shape[2]
    layers = nn.Linear(pixels, hidden), nn.BatchNorm1d(hidden), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(hidden, classes))


def grouping_net(shape, classes):
    """A convolution whose output is viewed in the usual order of its numbers."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.last = nn.Conv2d(shape[0], 4, 3), nn.Linear(4 * 36, classes)

        def forward(self, images):
            return self.last(self.convolution(images).view(len(images), -1))

    return Net()


def full_batch(module, images, labels, seed, *, steps):
    """Gradient descent without batches."""
    assert isinstance(seed, int)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(module(images), labels).backward()
        optimizer.step()


def negative(images):
    return 1 - images


def mean(models, images, labels, seed):
    """The mean of the weights of two models, in place of the first's."""
    first, second = models
    with torch.no_grad():
        for a, b in zip(first.parameters(), second.parameters(), strict=True):
            a.copy_((a + b) / 2)
    return first


def noisy(models, images, labels, seed):
    """The model, a little noise added to all weights."""
    with torch.no_grad():
        for parameter in models[0].parameters():
            parameter += 0.01 * torch.randn(parameter.shape)
    return models[0]


SEEN = []


def note(models, images, labels, seed, **options):
    """Notes what it is given; changes nothing."""
    weights = [[p.detach().clone() for p in model.parameters()] for model in models]
    SEEN.append((weights, images, labels, seed, options))
    return models[0]


def diverge(models, images, labels, seed):
    with torch.no_grad():
        next(models[0].parameters()).fill_(torch.nan)
    return models[0]


def shrink(models, images, labels, seed):
    return nn.Linear(3, 4)


def weights_of(models, images, labels, seed):
    return models[0].state_dict()
