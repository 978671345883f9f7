"""The training loop: some models at once, each on its own examples.

Optimizers, averages and losses work element by element or model by model, so that nothing crosses
from one model to another. Batches and augmentation are keyed by the epoch: with the state after one
epoch, the next can be trained by another process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.training import augment, optim
from modeldiff.training.checkpoint import JobCheckpoint
from modeldiff.training.loaders import Loader
from modeldiff.training.nets import mismatch
from modeldiff.training.step import Step


class Member(NamedTuple):
    """A model to train: the key of its randomness, its training examples, and its name.

    label: in messages, e.g. "model 17 of plain". part: of an algorithm that trains several models
    in place of one, which of these; see `finishing.parts`.
    """

    identity: tuple[rng.Key, ...]
    examples: np.ndarray  # int64 [n_subset], rising
    label: str = ""
    part: int = 0


@dataclass
class TrainingState:
    """The state of training: all that an epoch depends on besides its number and the data."""

    step: Step
    average: optim.Average | None
    generators: list[torch.Generator]  # of dropout and the like

    def state(self, epochs: int) -> dict[str, Any]:
        """The state after `epochs` epochs, as `load` takes it; not copied."""
        tensors = self.step.net.tensors
        return {
            "epochs": epochs,
            "tensors": {name: tensor.detach() for name, tensor in tensors.items()},
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "average": self.average.mean if self.average else [],
            "noise": [generator.get_state() for generator in self.generators],
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> int:
        """Go on from `state`; returns after how many epochs."""
        net = self.step.net
        if wrong := mismatch(net.tensors, state["tensors"]):
            raise UserError(f"the saved state of models in training: is of another model: {wrong}")
        for name, tensor in net.tensors.items():
            tensor.copy_(state["tensors"][name])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.step.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            device = net.parameters[0].device
            self.average.mean = [tensor.to(device) for tensor in state["average"]]
        for generator, noise in zip(self.generators, state["noise"], strict=True):
            generator.set_state(noise)
        epochs: int = state["epochs"]
        return epochs


def fit(
    step: Step,
    loader: Loader,
    n_train: int,
    group: Sequence[Member],
    device: str,
    kept: JobCheckpoint | None = None,
    ended: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Minimise the cross-entropy of each of the step's models on its own examples.

    Returns the stacked tensors; with `ema` they are averages over the steps. n_train: training
    examples in all. group: what the models are. kept: where the state is saved from time to time,
    and loaded from. ended: called after each epoch with the number of epochs so far.
    """
    algorithm = step.algorithm
    net = step.net
    assert algorithm.schedule is not None
    which = torch.arange(len(group), device=device)[:, None]
    average = optim.Average(net.tensors, algorithm.ema) if algorithm.ema else None
    generators = [torch.default_generator]
    if device != "cpu":
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    course = TrainingState(step, average, generators)
    start = 0
    if kept is not None:
        saved = kept.midway(len(group), group[0].part)
        if saved:
            start = course.load(saved)
    identities = [member.identity for member in group]
    per_epoch = -(-len(group[0].examples) // algorithm.batch)
    done = start * per_epoch
    for epoch in range(start, algorithm.epochs):
        order = np.stack([shuffled(member, epoch) for member in group])
        random = augment.draws(algorithm, identities, epoch, n_train)
        drawn = _moved(random, device)
        for images, labels, rows in loader.epoch(_moved(order, device), algorithm.batch):
            rate = optim.learning_rate(algorithm.schedule, done, algorithm.epochs * per_epoch)
            step(images, labels, drawn[:, which, rows], rate)
            done += 1
            if average is not None:
                average.update()
        if kept is not None:
            state = partial(course.state, epoch + 1)
            kept.save_midway_if_due(len(group), state, group[0].part)
        if ended is not None:
            ended(epoch + 1)
    if average is not None:
        average.put_in_place()
    return net.state()


def shuffled(member: Member, epoch: int) -> np.ndarray:
    """The member's examples in the order of that epoch."""
    order = rng.permutation(len(member.examples), "order", *member.identity, epoch)
    return member.examples[order]


def _moved(array: np.ndarray, device: str) -> Tensor:
    """Copy to a GPU from pinned memory: the host prepares the next epoch while the GPU computes."""
    tensor = torch.from_numpy(array)
    if device == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
