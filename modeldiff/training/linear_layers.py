"""What goes into the linear layers of a module, noted while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Inputs = list[tuple[nn.Linear, Tensor]]


@contextmanager
def noted_inputs(module: nn.Module) -> Iterator[Inputs]:
    """What each `nn.Linear` of the module is given from now on, in the order in which they run."""
    inputs: Inputs = []

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        assert isinstance(layer, nn.Linear)
        inputs.append((layer, given[0]))

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()
