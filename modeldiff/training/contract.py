"""The contract of the user's models and training functions, checked before they are used.

Modules that come with ModelDiff are not checked. Every refusal is one line that names the import
path, what came and what was expected.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from modeldiff.core.errors import UserError, described
from modeldiff.study import Algorithm, user_code
from modeldiff.training.nets import Stack, stacked_logits, tensors


class Unchanged(UserError):
    """A training function that left all tensors of its module as they were."""


Make = Callable[[int], nn.Module]  # a new module, its weights drawn from a seed


def check_module(part: str, of: str, module: object) -> None:
    """UserError unless a model function returned a module that can be trained."""
    if not isinstance(module, nn.Module):
        raise user_code.refused(part, of, module, "a torch module")
    parameters = list(module.parameters())
    if any(map(is_lazy, parameters)):
        came = "returned a module with lazy layers"
        raise user_code.refused(part, of, came, "one whose parameters already have their shapes")
    if not any(parameter.requires_grad for parameter in parameters):
        came = "returned a module without parameters to train"
        raise user_code.refused(part, of, came, "one with some that require gradients")
    for name, parameter in module.named_parameters():
        if parameter.dtype != torch.float32:
            came = f"returned a module whose {name} is {described(parameter)}"
            raise user_code.refused(part, of, came, "float32")


def check_layout(
    part: str, of: str, state: Mapping[str, Tensor], first: Mapping[str, Tensor]
) -> None:
    """UserError unless a module's tensors are, by name, shape and type, those of the `first`."""
    before = _described(first)
    after = _described(state)
    for name in (*before, *after):
        if after.get(name) != before.get(name):
            left = f"left the module with {name} {after.get(name, 'missing')}"
            wanted = f"{before.get(name, 'without it')}, as at first"
            raise user_code.refused(part, of, left, wanted)


def _described(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Shape and type of each tensor."""
    return {name: described(tensor) for name, tensor in state.items()}


def check_trained(
    part: str, of: str, returned: object, before: Mapping[str, Tensor], module: nn.Module
) -> None:
    """UserError if a training function left all tensors as they were `before`."""
    after = tensors(module)
    for name, tensor in before.items():
        if not torch.equal(after[name], tensor):
            return
    wanted = "the given module, trained in place"
    if isinstance(returned, nn.Module) and returned is not module:
        raise user_code.refused(part, of, "trained and returned another module", wanted)
    raise Unchanged(str(user_code.refused(part, of, "left the module as it was", wanted)))


def check_logits(part: str, of: str, logits: object, shape: Sequence[int]) -> None:
    """UserError unless a module's output is float32 of that shape."""
    right = isinstance(logits, Tensor) and logits.dtype == torch.float32
    if not right or tuple(logits.shape) != tuple(shape):  # type: ignore[attr-defined]
        came = f"its module returned {described(logits)}"
        sides = " x ".join(map(str, shape))
        raise user_code.refused(part, of, came, f"float32 [{sides}], a logit for each class")


def batches(algorithm: Algorithm, make: Make, images: Tensor, classes: int) -> bool:
    """Whether several modules of the user's own can be computed as one, by vmap.

    They are tried on `images` (two, preprocessed), alone and together; UserError if one fails
    alone. The reason why vmap cannot batch some does not matter.
    """
    devices = [torch.cuda.current_device()] if images.is_cuda else []
    with torch.random.fork_rng(devices):
        _try_alone(algorithm, make, images, classes)
        return simple(make(0)) and _batched(make, images)


def simple(module: nn.Module) -> bool:
    """Whether nothing forbids a stack: batch statistics are written in place, which vmap cannot do,
    and dropout would depend on the position in the stack.
    """
    for part in module.modules():
        if isinstance(part, _DropoutNd):
            return False
    return next(module.buffers(), None) is None


def _try_alone(algorithm: Algorithm, make: Make, images: Tensor, classes: int) -> None:
    """A step of training, unless that is by the user's own function, then the module in use."""
    part = algorithm.model.name
    shape = (len(images), classes)
    module = make(1).to(images.device)
    if algorithm.train is None:
        with user_code.running(part, "in training"):
            logits = module.train()(images.clone())
        check_logits(part, "in training", logits, shape)
        with user_code.running(part, "in training"):
            logits.sum().backward()
    module.eval()
    used = make(0).to(images.device).eval()
    with user_code.running(part, "in use"), torch.no_grad():
        torch.manual_seed(0)
        logits = module(images.clone())
        torch.manual_seed(0)
        again = functional_call(used, tensors(module), (images.clone(),))
    check_logits(part, "in use", logits, shape)
    if not torch.allclose(logits, again, rtol=1e-3, atol=1e-4, equal_nan=True):
        came = "its module depends on tensors that are neither parameters nor buffers"
        raise user_code.refused(part, "in use", came, "registered, e.g. by register_buffer")


def _batched(make: Make, images: Tensor) -> bool:
    """Whether vmap runs two modules at once, in training and in use, without a loop over them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*performance drop.*")
        try:
            stack = Stack([make(0), make(1)], str(images.device))
            stack.logits(torch.stack([images, images])).sum().backward()
            with torch.no_grad():
                stacked_logits(stack.module.eval(), stack.tensors, images, shared=True)
        except Exception:  # whatever the reason, models are then computed one by one
            return False
    return True
