"""A device of its own, for tests without a GPU: it computes as the CPU does, but refuses, as CUDA
does, to compute with tensors that lie on the CPU.

    python tests/elsewhere.py training|rooms|datamodels|mixed

compares what is computed there with what is computed on the CPU. In a process of its own, since a
device cannot be taken back from torch.
"""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import EMBEDDED, small
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from modeldiff import dataset, verification
from modeldiff.core.errors import UserError
from modeldiff.datamodels import regression
from modeldiff.dataset import Images
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.training import Member, augment, checkpoint, engine, fit, train_full, train_shard
from modeldiff.verification import candidates

ROOT = Path(__file__).parents[1]
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
    engine.PREDICT["elsewhere"] = regression.TARGET_BLOCK["elsewhere"] = 2**20
    # Inference mode does not take tensors of Python's; torch.tensor passes by every mode.
    engine.TrainedModels.logits = torch.no_grad()(engine.TrainedModels.logits.__wrapped__)
    augment.per_channel = lambda values, device: torch.tensor(values).to(device).view(1, -1, 1, 1)


NET = {"name": "convnet", "width": 4}
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
AUGMENT = [
    {"name": "colour", "strength": 0.2},
    {"name": "random_resized_crop", "size": 28, "min_scale": 0.3},
    {"name": "flip"},
    {"name": "translate", "pixels": 2},
    {"name": "cutout", "size": 4},
]
PREPROCESS = [
    {"name": "resize", "size": 40},
    {"name": "centre_crop", "size": 32},
    {"name": "blank_border", "width": 2},
    {"name": "normalise", "mean": [0.5, 0.4, 0.3], "sd": [0.2, 0.2, 0.3]},
]
RECIPES = {
    "augmented": {"model": NET, "optimizer": SGD, "augment": AUGMENT, "preprocess": PREPROCESS},
    "averaged": {"model": NET, "optimizer": {"name": "adamw", "lr": 0.01}, "ema": 0.9},
    "resnet9": {"model": {"name": "resnet9"}, "optimizer": SGD, "flip_average": True},
    "airbench": {"model": {"name": "airbench"}, "optimizer": SGD, "augment": [{"name": "flip"}]},
}


def training(where: str, folder: Path) -> dict[str, np.ndarray]:
    """Logits of models trained there, two at once where that can be."""
    config = parse(ROOT / "config/cifar10-fast.yaml")
    short = {"epochs": 2, "batch": 25}
    config["algorithms"] = {name: recipe | short for name, recipe in RECIPES.items()}
    config["comparison"]["pairs"] = [["resnet9", "airbench"]]
    study, rng = Study.load(config), np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 3, 32, 32), dtype=np.uint8)
    data = Images(images, rng.integers(0, 10, len(images)))
    members = [Member((0, m), np.arange(m, m + 40)) for m in range(2)]
    logits = {}
    for name, recipe in study.algorithms.items():
        groups = engine.train(recipe, data, 10, members, width=2, device=where)
        logits[name] = torch.cat([group.logits(images).cpu() for group in groups]).numpy()
    return logits


def rooms(where: str, folder: Path) -> dict[str, np.ndarray]:
    """What jobs write: a shard that was cut short midway, models on all data, their use."""
    config = small(parse(ROOT / EMBEDDED))
    config["algorithms"]["plain"]["ema"] = 0.9
    config["verification"]["candidates"] = 2
    study = Study.load(config)
    dataset.prepare(study, folder / "manifest.json")
    data = dataset.read(folder / "manifest.json", study.key("dataset"))
    shuffled, checkpoint.MIDWAY = fit.shuffled, 0

    def cut(member: Member, epoch: int) -> np.ndarray:
        if member.identity[-1] == 15 and epoch == 2:
            raise UserError("cut")
        return shuffled(member, epoch)

    fit.shuffled = cut
    with suppress(UserError):
        train_shard(study, "plain", data, range(20), folder / "margins.npy", device=where)
    fit.shuffled = shuffled
    assert list(folder.glob(".margins.npy.*-midway.partial"))
    train_shard(study, "plain", data, range(20), folder / "margins.npy", device=where)
    train_full(study, "plain", data, range(3), folder / "full.npz", device=where)
    for use in candidates.attempt, verification.predict:
        output = folder / f"{use.__name__}.npz"
        use(study, "plain", data, [folder / "full.npz"], output, device=where)
    written = {"margins": np.load(folder / "margins.npy")}
    for name in "full", "attempt", "predict":
        written |= {f"{name}.{k}": v for k, v in np.load(folder / f"{name}.npz").items()}
    return written


def datamodels(where: str, folder: Path) -> dict[str, np.ndarray]:
    """Weights of every estimator."""
    rng = np.random.default_rng(0)
    masks = rng.random((500, 60)) < 0.5
    true = rng.normal(size=(9, 60)) * (rng.random((9, 60)) < 0.1)
    margins = masks @ true.T + rng.normal(size=(500, 9)) * 0.3
    margins[5] = np.nan  # a model that failed
    settings = {name: {"estimator": name} for name in regression.ESTIMATORS}
    settings["folds"] = {"folds": 3}
    return {
        k: regression.fit(masks, margins, **v, device=where).weights for k, v in settings.items()
    }


def mixed(where: str, folder: Path) -> dict[str, np.ndarray]:
    """A sum that forgets where its second tensor lies."""
    return {"sum": (torch.ones(2, device=where) + torch.ones(2)).cpu().numpy()}


def main() -> None:
    room = {f.__name__: f for f in (training, rooms, datamodels, mixed)}[sys.argv[1]]
    install()  # before anything is computed: torch counts its devices once
    with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        expected = room("cpu", Path(here))
        with Elsewhere():
            found = room(DEVICE, Path(there))
    for name, values in expected.items():
        worst = np.abs(found[name] - values).max() / np.abs(values).max()
        print(f"{name}: {worst:.1e}")
        assert worst < 1e-6, name
    assert found.keys() == expected.keys()


if __name__ == "__main__":
    main()
