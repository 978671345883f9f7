"""The training loop: some models at once, each on its own examples.

A net trains one or several models; the loop does not see the difference. `Stack` makes each layer
of several models one batched product (`torch.func.vmap`); `SingleNet` trains one model. Where it is
compiled, it is compiled once, and its tensors are overwritten for the next model.

Optimizers, averages and losses work element by element or model by model, so that nothing crosses
from one model to another. Batches and augmentation are keyed by the epoch: with the state after one
epoch, the next can be trained by another process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.study import Algorithm, user_code
from modeldiff.training import augment, optim
from modeldiff.training.checkpoint import Partial
from modeldiff.training.loaders import Loader

BACKEND = "inductor"  # of torch.compile


class Member(NamedTuple):
    """A model to train: the key of its randomness, its training examples, and its name.

    label: in messages, e.g. "model 17 of plain".
    """

    identity: tuple[rng.Key, ...]
    examples: np.ndarray  # int64 [n_subset], rising
    label: str = ""


class Net(Protocol):
    """Models in training. `tensors`: all that is kept of them, each [models x ...] in a stack."""

    tensors: dict[str, Tensor]
    parameters: list[Tensor]

    def logits(self, images: Tensor) -> Tensor:
        """Of images [models x n x C x H x W]: [models x n x classes]."""

    def state(self) -> dict[str, Tensor]:
        """A copy of `tensors`, each [models x ...]."""


class Stack:
    """Several models as one: every parameter has a leading model axis."""

    def __init__(self, modules: list[nn.Module], device: str):
        stacked, _ = stack_module_state(modules)
        self.module = modules[0].to(device).train()
        self.tensors = {
            name: tensor.detach().to(device).requires_grad_() for name, tensor in stacked.items()
        }
        self.parameters = list(self.tensors.values())

    def logits(self, images: Tensor) -> Tensor:
        """See `Net`."""
        return stacked_logits(self.module, self.tensors, images)

    def state(self) -> dict[str, Tensor]:
        """See `Net`."""
        return {name: tensor.detach() for name, tensor in self.tensors.items()}


class SingleNet:
    """One model at a time; `start` overwrites it with the next."""

    def __init__(self, module: nn.Module, device: str, *, channels_last: bool, compiled: bool):
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.module = module.to(device)
        self.module.to(memory_format=self.format)  # type: ignore[call-overload]
        self.tensors = tensors(self.module)
        self.parameters: list[Tensor] = list(self.module.parameters())
        self._call: Callable[[Tensor], Tensor] = self.module
        if compiled:
            # On a GPU every step replays a recorded graph of kernels. Shapes are fixed (dynamic
            # ones are slower): an epoch's last, short batch is compiled for itself.
            mode = "reduce-overhead" if device.startswith("cuda") else None
            self._call = torch.compile(self.module, dynamic=False, mode=mode, backend=BACKEND)

    def start(self, module: nn.Module) -> None:
        """Take the weights of a new model; the tensors that hold them stay the same."""
        with torch.no_grad():
            new = tensors(module)
            if wrong := mismatch(self.tensors, new):
                raise UserError(
                    f"model: must have the same structure for every seed, but one {wrong}"
                )
            for name, old in self.tensors.items():
                old.copy_(new[name])

    def logits(self, images: Tensor) -> Tensor:
        """See `Net`."""
        torch.compiler.cudagraph_mark_step_begin()
        return self._call(images[0].contiguous(memory_format=self.format))[None]

    def state(self) -> dict[str, Tensor]:
        """See `Net`."""
        return {name: tensor.detach().clone()[None] for name, tensor in self.tensors.items()}


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """What makes a model: its parameters and the buffers it saves, shared ones once."""
    saved = module.state_dict(keep_vars=True)
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: tensor for name, tensor in own.items() if name in saved}


def mismatch(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], models: int = 0) -> str:
    """Why the tensors `given` cannot replace those `wanted`; empty if they can.

    models: 1 if the given ones are [models x ...] of those wanted, 0 if not. torch's
    `functional_call` ignores missing and surplus names, and `copy_` broadcasts shapes.
    """
    for name in wanted:
        if name not in given:
            return f"has no `{name}`"
        shape = tuple(given[name].shape)[models:]
        if shape != tuple(wanted[name].shape):
            return f"`{name}` is {list(shape)}, not {list(wanted[name].shape)}"
    left = [name for name in given if name not in wanted]
    return f"has `{left[0]}`, which is not the model's" if left else ""


def stacked_logits(module: nn.Module, state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Logits [models x n x classes]; images [n x ...] shared by all, or [models x n x ...]."""
    one = vmap(
        lambda own, batch: functional_call(module, own, (batch,)),
        in_dims=(0, None if images.ndim == 4 else 0),
    )
    return one(state, images)


@dataclass
class TrainingState:
    """The state of training: all that an epoch depends on besides its number and the data."""

    net: Net
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: optim.Average | None
    generators: list[torch.Generator]  # of dropout and the like

    def state(self, epochs: int) -> dict[str, Any]:
        """The state after `epochs` epochs, as `load` takes it; not copied."""
        return {
            "epochs": epochs,
            "tensors": {name: tensor.detach() for name, tensor in self.net.tensors.items()},
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.mean if self.average else [],
            "noise": [generator.get_state() for generator in self.generators],
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> int:
        """Go on from `state`; returns after how many epochs."""
        if wrong := mismatch(self.net.tensors, state["tensors"]):
            raise UserError(f"the saved state of models in training: is of another model: {wrong}")
        for name, tensor in self.net.tensors.items():
            tensor.copy_(state["tensors"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            device = self.net.parameters[0].device
            self.average.mean = [tensor.to(device) for tensor in state["average"]]
        for generator, noise in zip(self.generators, state["noise"], strict=True):
            generator.set_state(noise)
        epochs: int = state["epochs"]
        return epochs


def fit(
    algorithm: Algorithm,
    loader: Loader,
    n_train: int,
    net: Net,
    group: Sequence[Member],
    device: str,
    kept: Partial | None = None,
    ended: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Minimise each model's cross-entropy on its own examples; returns the stacked tensors.

    n_train: training examples in all. With `ema` the tensors are averages over the steps. kept:
    where the state is saved from time to time, and loaded from. ended: called after each epoch with
    the number of epochs so far.
    """
    assert algorithm.optimizer is not None
    assert algorithm.schedule is not None
    optimizer = optim.optimizer(algorithm.optimizer, net.parameters)
    peak = optimizer.param_groups[0]["lr"]
    kind = torch.device(device).type
    half = algorithm.precision != "float32"
    cast = torch.autocast(kind, getattr(torch, algorithm.precision) if half else None, enabled=half)
    # Gradients of float16 underflow unless the loss is scaled up; bfloat16 has float32's range.
    scaler = torch.amp.GradScaler(kind, enabled=algorithm.precision == "float16")
    which = torch.arange(len(group), device=device)[:, None]
    average = optim.Average(net.tensors, algorithm.ema) if algorithm.ema else None
    generators = [torch.default_generator]
    if device != "cpu":
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    course, start = TrainingState(net, optimizer, scaler, average, generators), 0
    if kept is not None and (saved := kept.midway(len(group))):
        start = course.load(saved)
    per_epoch = -(-len(group[0].examples) // algorithm.batch)
    steps, step = algorithm.epochs * per_epoch, start * per_epoch
    for epoch in range(start, algorithm.epochs):
        order = np.stack([shuffled(member, epoch) for member in group])
        random = augment.draws(algorithm, [member.identity for member in group], epoch, n_train)
        drawn = _moved(random, device)
        for inputs, wanted, some in loader.epoch(_moved(order, device), algorithm.batch):
            if algorithm.augment:
                own = drawn[:, which, some]
                inputs = augment.augmented(algorithm, inputs, own)
            optimizer.zero_grad()  # first: a replayed graph may write where the old ones lie
            with user_code.running(algorithm.model.name, group[0].label):
                with cast:
                    logits = net.logits(inputs)
                losses = cross_entropy(
                    logits.flatten(0, 1).float(),
                    wanted.flatten(),
                    reduction="none",
                    label_smoothing=algorithm.label_smoothing,
                )
                # The mean over a model's batch, the sum over models: no gradient crosses models.
                scaler.scale(losses.sum() / some.shape[1]).backward()
            optimizer.param_groups[0]["lr"] = peak * optim.learning_rate(
                algorithm.schedule, step, steps
            )
            scaler.step(optimizer)
            scaler.update()
            step += 1
            if average is not None:
                average.update()
        if kept is not None:
            kept.save_midway_if_due(len(group), partial(course.state, epoch + 1))
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
    return tensor.pin_memory().to(device, non_blocking=True) if device != "cpu" else tensor
