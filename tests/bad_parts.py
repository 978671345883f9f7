"""Parts of a user's own that misbehave, by import path, for the tests; data in `bad_data`."""

import os
import resource
import signal
import sys
import time

import numpy as np
import torch
from torch import nn

HUGE = 2**50  # bytes that no machine has


def boom(*given, **options):
    raise ValueError("the file\nof weights is gone")


def leave(*given, **options):
    sys.exit(3)


def none(*given, **options):
    return None


def listed(*given, **options):
    return [1, 2, 3]


def too_large(*given, **options):
    return np.empty(HUGE, np.uint8)


def too_large_tensor(*given, **options):
    return torch.empty(HUGE, dtype=torch.uint8)


def hoarder(*given, **options):
    """Opens files until the system gives no more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, most))
    opened = []
    while True:
        opened.append(open("/dev/null"))  # noqa: SIM115


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def unprintable(*given, **options):
    raise Unprintable


def wordy(*given, **options):
    raise ValueError("word " * 1000)


def chained(*given, **options):
    try:
        boom()
    except ValueError as error:
        raise KeyError("settings") from error


def deep(*given, **options):
    return deep(*given, **options)


def no_arguments():
    return None


# Models.


class Net(nn.Module):
    """A linear net; `change` is what becomes of its logits."""

    def __init__(self, shape, outputs, change=None):
        super().__init__()
        self.last = nn.Linear(shape[0] * shape[1] * shape[2], outputs)
        self.change = change or (lambda logits, module: logits)

    def forward(self, images):
        return self.change(self.last(images.flatten(1)), self)


def model_linear(shape, classes):
    return Net(shape, classes)


def _net(change):
    return lambda shape, classes: Net(shape, classes, change)


def _in_use(logits, module):
    if not module.training:
        raise RuntimeError("no weights to infer with")
    return logits


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no gradient here")


model_none_out = _net(lambda logits, module: None)
model_tuple_out = _net(lambda logits, module: (logits, logits))
model_double_out = _net(lambda logits, module: logits.double())
model_half_out = _net(lambda logits, module: logits.half())
model_flat_out = _net(lambda logits, module: logits.flatten())
model_numpy_out = _net(lambda logits, module: logits.detach().numpy())
model_detached = _net(lambda logits, module: logits.detach())
model_raises = _net(lambda logits, module: boom())
model_raises_in_use = _net(_in_use)
model_raises_backward = _net(lambda logits, module: Broken.apply(logits))
model_too_large = _net(lambda logits, module: logits + too_large_tensor())


def model_few_outputs(shape, classes):
    return Net(shape, classes - 1)


def model_double(shape, classes):
    return Net(shape, classes).double()


def model_half(shape, classes):
    return Net(shape, classes).half()


def model_empty(shape, classes):
    return nn.Flatten()


def model_frozen(shape, classes):
    return Net(shape, classes).requires_grad_(False)


def model_lazy(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def model_mismatched(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(7, classes))


def model_class(shape, classes):
    return Net


def model_of_two_sizes(shape, classes):
    """One of two nets, as the random numbers want it."""
    hidden = 4 + 4 * int(torch.randint(0, 2, ()))
    flat = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(flat, hidden), nn.Linear(hidden, classes))


class Hidden(Net):
    """Looks at its images through random numbers that it does not register."""

    def __init__(self, shape, classes):
        super().__init__(shape, classes)
        self.mixing = torch.randn(64, 64)

    def forward(self, images):
        return self.last(images.flatten(1) @ self.mixing)


def model_hidden(shape, classes):
    return Hidden(shape, classes)


# Training functions.


def train_elsewhere(module, images, labels, seed):
    other = Net((1, 8, 8), 10)
    return other


def train_not(module, images, labels, seed):
    return module


def train_half(module, images, labels, seed):
    module.half()


def train_another_layer(module, images, labels, seed):
    module.last = nn.Linear(64, 12)


def train_renamed(module, images, labels, seed):
    module.more = nn.Linear(2, 2)


# What changes images, as torch tensors or numpy arrays.


def numpy_images(images, *random):
    return images.numpy()


def double(images, *more):
    return images.double() if isinstance(images, torch.Tensor) else images.astype(np.float64)


def half(images, *more):
    return images.half() if isinstance(images, torch.Tensor) else images.astype(np.float16)


def fewer(images, *more):
    return images[:-1] if len(images) > 1 else images[:0]


def flat(images, *more):
    return images.reshape(len(images), -1)


def nan(images, *more):
    return images * float("nan")


def bright(images, *more):
    return images + 2


def in_place(images, *more):
    images *= 0.5
    return images


def by_neighbours(images):
    return images - images.mean()


# Estimators.


def estimate_one(masks, margins):
    return np.zeros((margins.shape[1], masks.shape[1]))


def estimate_transposed(masks, margins):
    return np.zeros((masks.shape[1], margins.shape[1])), np.zeros(margins.shape[1])


def estimate_nan(masks, margins):
    return np.full((margins.shape[1], masks.shape[1]), np.nan), np.zeros(margins.shape[1])


def estimate_words(masks, margins):
    return "weights", "intercept"


# What is slow, or swallows what it is told.


def train_deaf(module, images, labels, seed):
    """Goes on when it is told to stop, once."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except:  # noqa: E722
        pass
    with torch.no_grad():
        module.last.weight.add_(1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def train_by_hand(module, images, labels, seed):
    """What a training function should do, but for the third model."""
    train_by_hand.calls += 1
    if train_by_hand.calls == 3:
        boom()
    with torch.no_grad():
        module.last.weight.add_(0.01)


train_by_hand.calls = 0


class Recurrent(nn.Module):
    """vmap has no rule to batch it."""

    def __init__(self, shape, classes):
        super().__init__()
        self.rows = nn.GRU(shape[2], 8, batch_first=True)
        self.last = nn.Linear(8, classes)

    def forward(self, images):
        return self.last(self.rows(images[:, 0])[0][:, -1])


def model_recurrent(shape, classes):
    return Recurrent(shape, classes)


def lopsided(pool):
    """Distances that are not the same both ways."""
    return np.triu(np.ones((pool.models, pool.models)))
