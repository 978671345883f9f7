"""The module that an algorithm trains: made from a seed, or to hold weights that are there."""

from functools import partial

import torch
from torch import nn

from modeldiff.dataset import Images
from modeldiff.study import Algorithm, components, user_code
from modeldiff.study.estimators import is_estimator
from modeldiff.training import contract, models
from modeldiff.training.augment import prepare, preprocess
from modeldiff.training.estimators import EstimatorModule
from modeldiff.training.loaders import to_float


def architecture(algorithm: Algorithm, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The algorithm's module, to hold weights that were trained before."""
    return build(algorithm, shape, classes, 0)


def batches(
    algorithm: Algorithm, module: nn.Module, data: Images, classes: int, device: str
) -> bool:
    """Whether vmap computes several of the algorithm's models, such as `module`, at once.

    A model of the user's own is tried on the first two images of `data`, see `contract.batches`.
    """
    if is_estimator(algorithm.model.name):
        return False
    if not user_code.is_own(algorithm.model.name):
        return contract.simple(module)
    first = torch.from_numpy(data.images[:2]).to(device)
    make = partial(build, algorithm, tuple(data.images.shape[1:]), classes)
    return contract.batches(algorithm, make, prepare(algorithm, to_float(first)), classes)


def build(
    algorithm: Algorithm, shape: tuple[int, ...], classes: int, seed: int, of: str = ""
) -> nn.Module:
    """A new module, its weights drawn from `seed`; of: what it is for, in messages."""
    name = algorithm.model.name
    if is_estimator(name):
        return EstimatorModule(algorithm.model, classes)
    make = components.find(name, models.MODELS)
    seen = shape
    if algorithm.preprocess:
        seen = tuple(preprocess(algorithm, torch.zeros(1, *shape)).shape[1:])
    with torch.random.fork_rng(devices=[]), user_code.running(name, of):
        torch.manual_seed(seed)
        module = make(seen, classes, **algorithm.model.options)
    if user_code.is_own(name):
        contract.check_module(name, of, module)
    return module
