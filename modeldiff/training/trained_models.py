"""Trained models of one algorithm, and using them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from modeldiff.core.errors import UserError
from modeldiff.study import Algorithm, user_code
from modeldiff.training import building
from modeldiff.training.augment import prepare
from modeldiff.training.loaders import to_float
from modeldiff.training.nets import mismatch, stacked_logits, tensors

PREDICT = {"cpu": 2**21, "cuda": 2**24}  # values of all images that a stack predicts at a time


@dataclass
class TrainedModels:
    """Trained models of one algorithm as one stack: every tensor is [models x ...].

    module: the architecture; its own weights are not used. state: exactly its tensors, in its
    shapes. batched: whether vmap computes several at once. source: where the tensors come from, for
    the UserError if they do not fit.
    """

    algorithm: Algorithm
    module: nn.Module
    state: dict[str, Tensor]
    batched: bool
    source: str

    def __post_init__(self) -> None:
        if wrong := mismatch(tensors(self.module), self.state, models=1):
            model = self.algorithm.model.name
            raise UserError(f"{self.source}: does not fit the model {model}: {wrong}")

    @classmethod
    def untrained(
        cls, algorithm: Algorithm, shape: tuple[int, ...], classes: int, device: str
    ) -> "TrainedModels":
        """One model with its first weights, to measure what using it costs; shape: of an image."""
        module = building.architecture(algorithm, shape, classes)
        state = {}
        for name, tensor in tensors(module).items():
            state[name] = tensor.detach()[None].to(device)
        return cls(algorithm, module, state, batched=False, source="an untrained model")

    @property
    def models(self) -> int:
        """How many there are."""
        return len(next(iter(self.state.values())))

    def only(self, chosen: Tensor) -> "TrainedModels":
        """Some of the models; chosen: bool [models], or their positions."""
        state = {name: tensor[chosen.to(tensor.device)] for name, tensor in self.state.items()}
        return replace(self, state=state)

    @torch.inference_mode()
    def logits(self, images: np.ndarray) -> Tensor:
        """Logits of images [n x C x H x W]: float32 [models x n x classes].

        images: uint8, or float32 in [0, 1]; some at a time are moved to the device and prepared.
        With `flip_average`, the mean over the images and their mirror images.
        """
        return torch.cat([self.outputs(some) for some in self.batches_of(images)], 1)

    def batches_of(self, images: np.ndarray) -> Iterator[Tensor]:
        """Images [n x C x H x W] on the models' device as float32 in [0, 1], some at a time."""
        state = next(iter(self.state.values()))
        values = len(state) * math.prod(images.shape[1:])
        for some in torch.from_numpy(images).split(max(1, PREDICT[state.device.type] // values)):
            yield to_float(some.to(state.device))

    def outputs(self, images: Tensor) -> Tensor:
        """Logits of images as `batches_of` gives them: float32 [models x n x classes].

        They can be differentiated by the images.
        """
        self.module.to(images.device).eval()
        prepared = prepare(self.algorithm, images)
        logits = self._logits(prepared)
        if self.algorithm.flip_average:
            logits = (logits + self._logits(prepared.flip(3))) / 2
        return logits

    def _logits(self, prepared: Tensor) -> Tensor:
        models = self.models
        with user_code.running(self.algorithm.model.name, "in use"):
            if models > 1 and self.batched:
                return stacked_logits(self.module, self.state, prepared, shared=True)
            rows = []
            for i in range(models):
                own = {name: tensor[i] for name, tensor in self.state.items()}
                rows.append(functional_call(self.module, own, (prepared,)))
            return torch.stack(rows)
