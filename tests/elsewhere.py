"""A device of its own, for tests without a GPU: it computes as the CPU does, but refuses, as CUDA
does, to compute with tensors that lie on the CPU.

    python tests/elsewhere.py training|rooms|datamodels|mixed

compares what is computed there with what is computed on the CPU. In a process of its own, since a
device cannot be taken back from torch.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from on_device import ROOMS, differences
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from modeldiff.datamodels import multiplicative_weights, regression
from modeldiff.training import augment, trained_models
from modeldiff.training.trained_models import TrainedModels

DEVICE = "elsewhere:0"
aten = torch.ops.aten
# What may join tensors of both: copies, and indices, which CUDA takes from the CPU, too.
COPIES = aten._to_copy.default, aten.copy_.default
INDEXED = aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default


class There(Tensor):
    """A tensor on the device; `here` holds its values."""

    @staticmethod
    def __new__(cls, here: Tensor) -> "There":
        shape = {"strides": here.stride(), "storage_offset": here.storage_offset()}
        there = Tensor._make_wrapper_subclass(
            cls, here.shape, dtype=here.dtype, device=DEVICE, **shape
        )
        there.here = here
        return there

    def __reduce_ex__(self, protocol):
        return self.here.__reduce_ex__(protocol)  # saved as what is loaded to the CPU

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return computed(operation, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While this is entered, the device exists."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return computed(operation, args, kwargs or {})


def computed(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation of torch, on whichever device its tensors lie."""
    if operation is aten._has_compatible_shallow_copy_type.default:
        return False  # so that a module that is moved gets new parameters
    if operation is aten._pin_memory.default:
        return args[0]
    given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = [each for each in given if isinstance(each, There)]
    to = torch.device(kwargs["device"]).type if kwargs.get("device") else None
    if not there and to != "elsewhere":
        return operation(*args, **kwargs)
    if there and operation not in COPIES:
        free = tree_leaves(args[1]) if operation in INDEXED else []
        for each in given:
            if not isinstance(each, There) and each.ndim and not any(each is f for f in free):
                raise RuntimeError(f"{operation}: of {tuple(each.shape)} on the CPU, others not")
    args, kwargs = tree_map(lambda x: x.here if isinstance(x, There) else x, (args, kwargs))
    if to:
        kwargs = kwargs | {"device": "cpu"}
    result = operation(*args, **kwargs)
    if to == "cpu":
        return result.clone()
    changed = {id(each.here): each for each in there}  # in place

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return changed[id(value)] if id(value) in changed else There(value)

    return tree_map(wrapped, result)


class Module(_DummyBackendModule):
    """What torch asks of a device."""

    def get_amp_supported_dtype(self):
        return [torch.bfloat16]

    def get_rng_state(self, number):
        return torch.get_rng_state()

    def set_rng_state(self, state, number):
        torch.set_rng_state(state)


def install() -> None:
    """Make it a device of torch's and the package's; the CPU's generator answers for its own."""
    _setup_privateuseone_for_python_backend("elsewhere", backend_module=Module())
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.cuda.current_device = lambda: 0
    torch.cuda.default_generators = (torch.default_generator,)
    trained_models.PREDICT["elsewhere"] = regression.TARGET_BLOCK["elsewhere"] = 2**20
    multiplicative_weights.TOGETHER["elsewhere"] = 2**20
    # Inference mode does not take tensors of Python's; torch.tensor passes by every mode.
    TrainedModels.logits = torch.no_grad()(TrainedModels.logits.__wrapped__)
    augment.per_channel = lambda values, device: torch.tensor(values).to(device).view(1, -1, 1, 1)


def mixed(where: str, folder: Path) -> dict[str, np.ndarray]:
    """A sum that forgets where its second tensor lies."""
    return {"sum": (torch.ones(2, device=where) + torch.ones(2)).cpu().numpy()}


def main() -> None:
    room = (ROOMS | {"mixed": mixed})[sys.argv[1]]
    install()  # before anything is computed: torch counts its devices once
    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        expected = room("cpu", Path(here))
        with Elsewhere():
            computed_there = room(DEVICE, Path(there))
    for name, difference in differences(computed_there, expected).items():
        print(f"{name}: {difference:.1e}")
        assert difference < 1e-6, name


if __name__ == "__main__":
    main()
