"""How weights move: the optimizer, the learning rate and the average that a config names.

A user's own training function instead of all this, by import path:
`function(module, images, labels, seed, **options)` trains the torch module in place on float32
images [n x channels x height x width] and int64 labels [n]; all its randomness comes from `seed`.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from modeldiff.study.components import Component
from modeldiff.training.light_optimizers import AdamW, LightOptimizer, Sgd


def optimizer(
    part: Component, parameters: list[Tensor], *, scaled: bool = False, recorded: bool = False
) -> torch.optim.Optimizer | LightOptimizer:
    """The optimizer a config names. Only element-wise ones: they also train stacked models.

    scaled: its gradients will be of a loss that was scaled up, which only `torch.optim` undoes.
    recorded: its steps will be recorded as a CUDA graph. For that, an optimizer's state must start
    at zeros and be overwritten in place, and its learning rate may be a tensor.
    """
    match part.name:  # fused: one pass over the weights
        case "sgd" if not (scaled or recorded):
            return Sgd(parameters, **part.options)
        case "adamw" if not (scaled or recorded):
            return AdamW(parameters, **part.options)
        case "sgd":
            return torch.optim.SGD(parameters, fused=True, **part.options)
        case "adamw":
            return torch.optim.AdamW(parameters, fused=True, capturable=recorded, **part.options)
    raise ValueError(f"optimizer {part.name}: is in the config's sections, but not here")


def learning_rate(part: Component, step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` of `steps`."""
    if part.name == "constant":
        return 1.0
    done, peak = step / steps, part.options["peak"]
    if done < peak:
        return done / peak
    left = (1 - done) / (1 - peak)
    return left if part.name == "triangular" else (1 - math.cos(math.pi * left)) / 2


class Average:
    """The exponential moving average of a model's tensors over the steps of its training.

    mean <- decay * mean + (1 - decay) * tensor after each step, from the first step's tensors on;
    batch statistics included, whole numbers (the count of batches) not.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float):
        self._now = [tensor.detach() for tensor in tensors.values() if tensor.is_floating_point()]
        self.mean: list[Tensor] = []
        self._mix = get_ema_multi_avg_fn(decay)

    def update(self) -> None:
        """Count the tensors as they are now."""
        if self.mean:
            self._mix(self.mean, self._now, 0)
        else:
            self.mean = [tensor.clone() for tensor in self._now]

    def put_in_place(self) -> None:
        """Overwrite the tensors by their averages."""
        for tensor, mean in zip(self._now, self.mean, strict=True):
            tensor.copy_(mean)
