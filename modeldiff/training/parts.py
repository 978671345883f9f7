"""The parts of a learning algorithm that come with ModelDiff.

A user's own, by import path, have the same signatures:

    model       function(shape, classes, **options) -> torch.nn.Module
                shape (channels, height, width); the module maps float32 images in [0, 1],
                [n x channels x height x width], to logits [n x classes]
    preprocess  function(images, **options) -> images, float32 [n x channels x height x width]
    train       function(module, images, labels, seed, **options) -> None
                trains the module in place on images as above and labels int64 [n]; all its
                randomness must come from `seed`
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from modeldiff.components import Component

Shape = tuple[int, int, int]


def mlp(shape: Shape, classes: int, *, hidden: int) -> nn.Module:
    """One hidden layer of rectified linear units."""
    pixels = math.prod(shape)
    layers = nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    return nn.Sequential(nn.Flatten(), *layers)


def blank_border(images: Tensor, *, width: int) -> Tensor:
    """Set a border of `width` pixels to black."""
    inside = torch.zeros_like(images)
    inside[..., width:-width, width:-width] = images[..., width:-width, width:-width]
    return inside


MODELS: dict[str, Callable[..., nn.Module]] = {"mlp": mlp}
PREPROCESS: dict[str, Callable[..., Tensor]] = {"blank_border": blank_border}


def optimizer(part: Component, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """The optimizer a config names. Only element-wise ones: they also train stacked models."""
    return torch.optim.SGD(parameters, fused=True, **part.options)  # one pass over the weights


def learning_rate(part: Component, step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` of `steps`."""
    if part.name == "constant":
        return 1.0
    done, peak = step / steps, part.options["peak"]
    return done / peak if done < peak else (1 - done) / (1 - peak)
