"""How weights move: the optimizer and the learning rate that a config names.

A user's own training function instead of all this, by import path:
`function(module, images, labels, seed, **options)` trains the torch module in place on float32
images [n x channels x height x width] and int64 labels [n]; all its randomness comes from `seed`.
"""

import math

import torch
from torch import Tensor

from modeldiff.components import Component


def optimizer(part: Component, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """The optimizer a config names. Only element-wise ones: they also train stacked models."""
    make = torch.optim.SGD if part.name == "sgd" else torch.optim.AdamW
    return make(parameters, fused=True, **part.options)  # fused: one pass over the weights


def learning_rate(part: Component, step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` of `steps`."""
    if part.name == "constant":
        return 1.0
    done, peak = step / steps, part.options["peak"]
    if done < peak:
        return done / peak
    left = (1 - done) / (1 - peak)
    return left if part.name == "triangular" else (1 - math.cos(math.pi * left)) / 2
