"""What an algorithm does after training: one model is made of those that were trained.

A function of the user's own, by import path: `function(models, images, labels, seed, **options)`.
models: the trained torch modules, as many as `trains` says, in training mode. images: what they
were trained on, float32 [n x channels x height x width], preprocessed; labels: int64 [n]. With
`trains: k` they stand in the order of the models' parts, so that `images.tensor_split(k)` are the
images of each. With `forget`, the keyword of that name says which of them belong to the group, bool
[n]. Returns the module that is left: one of the given ones, changed in place, or a new one of the
same layout. All its randomness comes from `seed`, which torch's generators are set to.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modeldiff.core import rng
from modeldiff.study import Algorithm, components, user_code
from modeldiff.training import contract, merging, unlearning
from modeldiff.training.augment import preprocess
from modeldiff.training.fit import Member
from modeldiff.training.loaders import Loader
from modeldiff.training.nets import tensors

FINISHES: dict[str, Callable[..., nn.Module]] = {
    "unlearn": unlearning.unlearn,
    "merge": merging.merge,
}


def parts(member: Member, trains: int) -> list[Member]:
    """The models trained in place of `member`: each on its own random part of the examples.

    Sizes differ by one example at most. The parts have their own randomness, but for the first
    weights, which are the member's. A single one is the member itself.
    """
    if trains == 1:
        return [member]
    order = rng.permutation(len(member.examples), "parts", *member.identity)
    made = []
    for number, chosen in enumerate(np.array_split(order, trains)):
        part = Member(
            identity=(*member.identity, "part", number),
            examples=np.sort(member.examples[chosen]),
            label=member.label,
            part=number,
        )
        made.append(part)
    return made


class Finisher:
    """Does an algorithm's step after training, for one member at a time.

    loader: of the training images. forget: which of them belong to the group that is to be
    forgotten, bool [n_train], where the algorithm names one.
    """

    def __init__(
        self, algorithm: Algorithm, loader: Loader, forget: np.ndarray | None, device: str
    ):
        assert algorithm.finish is not None
        self.algorithm = algorithm
        self.part = algorithm.finish
        self.loader = loader
        self.forget = forget
        self.device = device

    def __call__(self, member: Member, models: Sequence[nn.Module]) -> dict[str, Tensor]:
        """The tensors of the model that is left of `models`, which were trained for `member`."""
        trained = parts(member, self.algorithm.trains)
        examples = np.concatenate([part.examples for part in trained])
        rows = torch.from_numpy(examples)[None].to(self.device)
        (everything,) = self.loader.epoch(rows, len(examples))
        images = everything.images[0]
        if self.algorithm.augment:  # else the loader gives them preprocessed
            images = preprocess(self.algorithm, images)
        options = dict(self.part.options)
        if self.forget is not None:
            options["forget"] = torch.from_numpy(self.forget[examples]).to(self.device)
        layout = models[0]
        before = {name: tensor.detach().clone() for name, tensor in tensors(layout).items()}
        seed = rng.seed("finish", *member.identity)
        function = components.find(self.part.name, FINISHES)
        gpus = [torch.cuda.current_device()] if self.device != "cpu" else []
        with torch.random.fork_rng(gpus), user_code.running(self.part.name, member.label):
            torch.manual_seed(seed)
            left: Any = function(list(models), images, everything.labels[0], seed, **options)
        if not isinstance(left, nn.Module):
            raise user_code.refused(self.part.name, member.label, left, "a torch module")
        contract.check_layout(self.part.name, member.label, tensors(left), before)
        return {name: tensor.detach() for name, tensor in tensors(left).items()}
