"""Models in training, one or several at once; the loop does not see the difference.

`Stack` makes each layer of several models one batched product (`torch.func.vmap`); `SingleNet`
trains one model. Where it is compiled, it is compiled once, and its tensors are overwritten for the
next model.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from modeldiff.core.errors import UserError

BACKEND = "inductor"  # of torch.compile


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
        return stacked_logits(self.module, self.tensors, images, shared=False)

    def state(self) -> dict[str, Tensor]:
        """See `Net`."""
        return {name: tensor.detach() for name, tensor in self.tensors.items()}


class SingleNet:
    """One model at a time; `start` overwrites it with the next."""

    def __init__(
        self,
        module: nn.Module,
        device: str,
        *,
        channels_last: bool,
        compiled: bool,
        recorded: bool = False,
    ):
        """recorded: whole steps are recorded elsewhere, so that compiled parts need not be."""
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.module = module.to(device)
        self.module.to(memory_format=self.format)  # type: ignore[call-overload]
        self.tensors = tensors(self.module)
        self.parameters: list[Tensor] = list(self.module.parameters())
        self._call: Callable[[Tensor], Tensor] = self.module
        if compiled:
            # On a GPU the module replays recorded graphs of kernels. Shapes are fixed (dynamic
            # ones are slower): an epoch's last, short batch is compiled for itself.
            alone = device.startswith("cuda") and not recorded
            mode = "reduce-overhead" if alone else None
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


def stacked_logits(
    module: nn.Module, state: dict[str, Tensor], images: Tensor, *, shared: bool
) -> Tensor:
    """Logits [models x n x classes]; images [n x ...] shared by all, else [models x n x ...]."""
    one = vmap(
        lambda own, batch: functional_call(module, own, (batch,)),
        in_dims=(0, None if shared else 0),
    )
    return one(state, images)
