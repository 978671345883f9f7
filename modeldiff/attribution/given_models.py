"""The rule's step: checkpoints that the user has, in place of models trained on all data."""

from pathlib import Path

import numpy as np
import torch

from modeldiff.attribution import score_files
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.study import Study
from modeldiff.training import building
from modeldiff.training.nets import tensors
from modeldiff.training.shard import failure, margin
from modeldiff.training.trained_models import TrainedModels

State = dict[str, torch.Tensor]


def write(
    study: Study, name: str, data: Dataset, models: range, output: str | Path, *, device: str
) -> None:
    """Write checkpoints of the algorithm `name` as `training.train_full` writes models.

    models: which of `Study.given`. Memory: three times their weights.
    Raises UserError, one line with the file's name, for what is no state dict of the algorithm's
    model, and for a model that is no better than chance on the test images: then they are not
    prepared as they were in training, or classes have another order.
    """
    algorithm = study.algorithms[name]
    module = building.architecture(algorithm, data.train.images.shape[1:], len(data.classes))
    module.to(device).eval()
    images = data.test.images[data.targets]
    labels = data.test.labels[data.targets]
    paths = study.given(name)[models.start : models.stop]
    states = []
    for path in paths:
        state = read(path, module, algorithm.model.name)
        one = {each: tensor[None] for each, tensor in state.items()}
        trained = TrainedModels(algorithm, module, one, batched=False, source=path)
        outputs = trained.logits(images).cpu()
        cause = failure(margin(outputs, torch.from_numpy(labels), "max")[0].numpy(), labels)
        if cause is not None:
            check = "are `preprocess` and the order of classes as in training?"
            raise UserError(f"{path}: as a model of {name}, {cause}; {check}")
        states.append(state)
    arrays = {}
    for each in tensors(module):
        arrays[each] = np.stack([state[each].cpu().numpy() for state in states])
    facts = {"models": [models.start, models.stop], "data": data.digest, "sources": list(paths)}
    with artifacts.write(output, study.key("full", name), **facts) as file:
        artifacts.write_arrays(file, arrays)


def read(path: str, module: torch.nn.Module, model: str) -> State:
    """A checkpoint's tensors, as those of `module`; UserError unless they are a state dict of it.

    model: what an error calls it. The module is left with them.
    """
    state = {}
    for name, array in score_files.arrays(path).items():
        if name:  # a lone array has none
            state[name] = torch.from_numpy(np.array(array))
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: is not a state dict of the model {model}: {reason}") from None
    return {name: tensor.detach().clone() for name, tensor in tensors(module).items()}


def tried(study: Study, name: str, shape: tuple[int, ...], classes: int) -> str:
    """What to say of an algorithm's checkpoints, once each is read; UserError for what is wrong.

    shape: of an image, [channels x height x width].
    """
    algorithm = study.algorithms[name]
    module = building.architecture(algorithm, shape, classes)
    paths = study.given(name)
    for path in paths:
        read(path, module, algorithm.model.name)
    return f"{len(paths)} checkpoints are of its model"
