"""Training many models at once.

`width` models are stacked into one: every parameter gets a leading model axis and
`torch.func.vmap` turns each layer into one batched product. Optimizers that work element by
element train the stack as they would train one model, so fused and single training share one
loop. With width 1 (and for modules with buffers, e.g. batch normalisation, that cannot be
stacked) models are trained one after another.

Model m's initial weights and batch order depend only on its identity, never on its neighbours;
what is left between different widths is the float rounding of differently shaped products.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from modeldiff import components, keyed
from modeldiff.dataset import Images, as_float
from modeldiff.errors import UserError
from modeldiff.study import Algorithm
from modeldiff.training import augment, models, parts

PREDICT = 1024  # images a stack predicts at a time


class Member(NamedTuple):
    """A model to train: what its randomness is keyed by, and its training examples."""

    identity: tuple[keyed.Key, ...]
    examples: np.ndarray  # int64 [n_subset], rising


@dataclass
class Trained:
    """Trained models of one algorithm as one stack: every tensor is [models x ...]."""

    algorithm: Algorithm
    module: nn.Module  # the architecture; its own weights are not used
    state: dict[str, Tensor]

    @torch.inference_mode()
    def logits(self, images: np.ndarray) -> Tensor:
        """Logits of float32 images [n x C x H x W] in [0, 1]: float32 [models x n x classes].

        With `flip_average` the mean of those of the images and of their mirror images.
        """
        device = next(iter(self.state.values())).device
        prepared = preprocess(self.algorithm, torch.from_numpy(images).to(device))
        self.module.to(device).eval()
        if self.algorithm.flip_average:
            return (self._logits(prepared) + self._logits(prepared.flip(3))) / 2
        return self._logits(prepared)

    def _logits(self, prepared: Tensor) -> Tensor:
        batches = prepared.split(PREDICT)
        if _stackable(self.module):
            return torch.cat([_stacked(self.module, self.state, batch) for batch in batches], 1)
        rows = []
        for i in range(len(next(iter(self.state.values())))):
            own = {name: tensor[i] for name, tensor in self.state.items()}
            rows.append(torch.cat([functional_call(self.module, own, (b,)) for b in batches]))
        return torch.stack(rows)


def train(
    algorithm: Algorithm,
    data: Images,
    classes: int,
    members: Sequence[Member],
    *,
    width: int,
    device: str = "cpu",
) -> Iterator[Trained]:
    """Train `members` in groups of at most `width`; yields each group, in order.

    data: the training images, uint8 [n x C x H x W]; each member uses its own examples of them,
    all members equally many. Memory grows with `width`, not with the number of members.
    """
    images = torch.from_numpy(as_float(data.images)).to(device)
    if not algorithm.augment:  # else it follows the augmentation, batch by batch
        images = preprocess(algorithm, images)
    labels = torch.from_numpy(data.labels).to(device)
    shape = tuple(data.images.shape[1:])
    if algorithm.train is not None or not _stackable(_build(algorithm, shape, classes, 0)):
        width = 1
    for start in range(0, len(members), width):
        group = members[start : start + width]
        modules = [
            _build(algorithm, shape, classes, keyed.seed("weights", *m.identity)).to(device)
            for m in group
        ]
        examples = torch.from_numpy(np.stack([m.examples for m in group])).to(device)
        if algorithm.train is not None:
            own, (module,), rows = algorithm.train, modules, examples[0]
            function = components.load(own.name)
            function(
                module,
                images[rows],
                labels[rows],
                keyed.seed("train", *group[0].identity),
                **own.options,
            )
            state = {name: tensor.detach()[None] for name, tensor in module.state_dict().items()}
        else:
            state = _fit(algorithm, images, labels, modules, group, examples)
        yield Trained(algorithm, modules[0], state)


def preprocess(algorithm: Algorithm, images: Tensor) -> Tensor:
    """What the algorithm does to every image, in training and in use."""
    for step in algorithm.preprocess:
        images = components.find(step.name, augment.PREPROCESS)(images, **step.options)
    return images


def _random(algorithm: Algorithm, group: Sequence[Member], epoch: int, n: int) -> Tensor:
    """What each augmentation draws, by example: float32 [steps x models x n x DRAWS]."""
    shape = (len(algorithm.augment), len(group), n, augment.DRAWS)
    random = np.empty(shape, np.float32)
    for i, j in np.ndindex(shape[:2]):
        keys = ("augment", i, *group[j].identity, epoch)
        random[i, j] = keyed.uniform32(n * augment.DRAWS, *keys).reshape(n, augment.DRAWS)
    return torch.from_numpy(random)


def _augmented(algorithm: Algorithm, inputs: Tensor, random: Tensor) -> Tensor:
    """Change a batch [models x n x C x H x W] by random [steps x models x n x DRAWS]."""
    flat = inputs.flatten(0, 1)
    for step, drawn in zip(algorithm.augment, random, strict=True):
        function = components.find(step.name, augment.AUGMENT)
        flat = function(flat, drawn.flatten(0, 1), **step.options)
    return preprocess(algorithm, flat).unflatten(0, inputs.shape[:2])


def architecture(algorithm: Algorithm, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The algorithm's module, to hold weights that were trained before."""
    return _build(algorithm, shape, classes, 0)


def _build(algorithm: Algorithm, shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    make = components.find(algorithm.model.name, models.MODELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make(shape, classes, **algorithm.model.options)
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise UserError(f"model {algorithm.model.name!r}: returned {kind}; must be a torch module")
    return module


def _stackable(module: nn.Module) -> bool:
    """Whether vmap can train the module: batch statistics written in place cannot be batched."""
    return next(module.buffers(), None) is None


def _stacked(module: nn.Module, state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Logits [models x n x classes]; images [n x ...] shared by all, or [models x n x ...]."""
    one = vmap(
        lambda own, batch: functional_call(module, own, (batch,)),
        in_dims=(0, None if images.ndim == 4 else 0),
    )
    return one(state, images)


def _fit(
    algorithm: Algorithm,
    images: Tensor,
    labels: Tensor,
    modules: list[nn.Module],
    group: Sequence[Member],
    examples: Tensor,
) -> dict[str, Tensor]:
    """Minimise each model's cross-entropy on its own examples; returns the stacked weights."""
    assert algorithm.optimizer is not None
    assert algorithm.schedule is not None
    module = modules[0].train()
    fused = _stackable(module)
    if fused:
        stacked, _ = stack_module_state(modules)
        state = {name: tensor.detach().requires_grad_() for name, tensor in stacked.items()}
        parameters = list(state.values())
    else:
        parameters = list(module.parameters())
    optimizer = parts.optimizer(algorithm.optimizer, parameters)
    peak = optimizer.param_groups[0]["lr"]
    n, batch = examples.shape[1], algorithm.batch
    steps, step = algorithm.epochs * -(-n // batch), 0
    for epoch in range(algorithm.epochs):
        order = np.stack([keyed.permutation(n, "order", *m.identity, epoch) for m in group])
        random = _random(algorithm, group, epoch, len(images)).to(examples.device)
        shuffled = examples.gather(1, torch.from_numpy(order).to(examples.device))
        for rows in shuffled.split(batch, dim=1):
            inputs, wanted = images[rows], labels[rows]
            if algorithm.augment:
                drawn = random[:, torch.arange(len(group))[:, None], rows]
                inputs = _augmented(algorithm, inputs, drawn)
            logits = _stacked(module, state, inputs) if fused else module(inputs[0])[None]
            losses = cross_entropy(
                logits.flatten(0, 1),
                wanted.flatten(),
                reduction="none",
                label_smoothing=algorithm.label_smoothing,
            )
            optimizer.param_groups[0]["lr"] = peak * parts.learning_rate(
                algorithm.schedule, step, steps
            )
            optimizer.zero_grad()
            # The mean over a model's batch, the sum over models: no gradient crosses models.
            (losses.sum() / rows.shape[1]).backward()
            optimizer.step()
            step += 1
    if not fused:
        return {name: tensor.detach()[None] for name, tensor in module.state_dict().items()}
    return {name: tensor.detach() for name, tensor in state.items()}
