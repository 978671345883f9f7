"""Models that a caller has trained: what they predict, and influences at each of them.

They are used one after the other, so that memory does not grow with their number.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from modeldiff.attribution.gradients import influences
from modeldiff.core.errors import UserError, described
from modeldiff.dataset import Dataset
from modeldiff.study import Algorithm, user_code
from modeldiff.training import contract
from modeldiff.training.loaders import to_float
from modeldiff.training.nets import tensors
from modeldiff.training.trained_models import TrainedModels


@dataclass(frozen=True)
class Measured:
    """What is known of the models of one recipe.

    predicted: int32 [models x test images], classes. influence: float32 [test images x training
    images], mean over models, how far each training image raises the margin of each test image.
    """

    predicted: np.ndarray
    influence: np.ndarray


def measure(
    argument: str, models: Iterable[nn.Module], data: Dataset, *, device: str = "cpu"
) -> Measured:
    """Predictions and influences of models that were trained on all of `data`.

    argument: what an error calls the models. Memory: `influence`, and what `influences` states.
    Raises UserError for what is no such model, or whose outputs or gradients are not finite.
    """
    total = np.zeros((len(data.test.labels), len(data.train.labels)), np.float32)
    predicted = []
    for trained in _trained(argument, models, data, device):
        part = trained.algorithm.model.name
        logits = trained.logits(data.test.images)[0]
        if not logits.isfinite().all():
            raise UserError(f"{part}: its logits are not finite: it has diverged")
        predicted.append(logits.argmax(1).int().cpu().numpy())
        for some in influences(trained, data.train, data.test):
            rows = slice(some.targets.start, some.targets.stop)
            total[rows] += some.values.cpu().numpy()
        if not np.isfinite(total).all():
            raise UserError(f"{part}: its gradients are not finite")
    if not predicted:
        raise UserError(f"{argument}: are none; must be torch modules")
    return Measured(predicted=np.stack(predicted), influence=total / len(predicted))


def _trained(
    argument: str, models: Iterable[nn.Module], data: Dataset, device: str
) -> Iterator[TrainedModels]:
    """Each model in the form in which ModelDiff uses its own; the caller's stay as they are."""
    if isinstance(models, nn.Module) or not isinstance(models, Iterable):
        came = described(models)
        raise UserError(f"{argument}: is {came}; must be a list of torch modules, e.g. [model]")
    images = to_float(torch.from_numpy(data.test.images[:2]))
    for number, model in enumerate(models):
        if not isinstance(model, nn.Module):
            wanted = "a torch module with its weights loaded"
            raise UserError(f"{argument}[{number}]: is {described(model)}; must be {wanted}")
        # Named as a part of the user's own: whatever it raises is then one line.
        part = f"{argument}[{number}]: {type(model).__name__}"
        contract.check_module(part, "", model)
        module = copy.deepcopy(model).to(device).eval()
        with user_code.running(part, "in use"), torch.no_grad():
            logits = module(images.to(device))
        contract.check_logits(part, "in use", logits, (len(images), len(data.classes)))
        entry = {"model": {"name": part}, "preprocess": [], "flip_average": False}
        yield TrainedModels(
            algorithm=Algorithm.of(entry),
            module=module,
            state={name: tensor.detach()[None] for name, tensor in tensors(module).items()},
            batched=False,
            source=part,
        )
