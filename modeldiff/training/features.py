"""What goes into the last linear layer of trained models: the features that they decide by."""

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from modeldiff.core.errors import UserError
from modeldiff.study import user_code
from modeldiff.training.augment import prepare
from modeldiff.training.linear_layers import noted_inputs
from modeldiff.training.trained_models import TrainedModels


@torch.inference_mode()
def features(trained: TrainedModels, images: np.ndarray) -> Tensor:
    """Features of images [n x C x H x W]: float32 [models x n x dimensions].

    images: uint8, or float32 in [0, 1]; as they are, never mirrored. Features are what the
    `nn.Linear` that runs last is given, flattened image by image.
    Raises UserError if no such layer runs.
    """
    chunks = []
    for some in trained.batches_of(images):
        chunks.append(_features(trained, prepare(trained.algorithm, some)))
    return torch.cat(chunks, 1)


def _features(trained: TrainedModels, prepared: Tensor) -> Tensor:
    module = trained.module.to(prepared.device).eval()
    with noted_inputs(module) as given:

        def of_one(state: dict[str, Tensor]) -> Tensor:
            given.clear()
            functional_call(module, state, (prepared,))
            if not given:
                raise UserError(
                    f"model {trained.algorithm.model.name}: no `nn.Linear` runs in it, so that its "
                    "features are not known; leave out the methods that compare features"
                )
            return given[-1][1].flatten(1)

        models = trained.models
        with user_code.running(trained.algorithm.model.name, "features"):
            if models > 1 and trained.batched:
                return vmap(of_one)(trained.state)
            rows = []
            for i in range(models):
                rows.append(of_one({name: tensor[i] for name, tensor in trained.state.items()}))
            return torch.stack(rows)
