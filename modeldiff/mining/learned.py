"""Features that are learned: they move one algorithm's predictions and not another's.

Minimised over several models of both at once: the mover's cross-entropy with the wanted class, how
far the other's predictions go from what they were (Kullback and Leibler's divergence), and what the
feature costs: a patch by its size and roughness, a pattern by how much it changes.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from modeldiff.core import rng
from modeldiff.mining.feature import Feature
from modeldiff.mining.sides import Side
from modeldiff.training.light_optimizers import AdamW

RATE = 0.1  # Adam's
BATCH = 64  # images of a step
SIZES = (0.5, 2.0, 8.0)  # what a patch costs that covers all of an image
ROUGHNESS = 0.3  # what the mean difference of neighbours in a patch's mask costs
CHANGE = 0.5  # what a pattern costs that changes every value as far as it may
REACHES = (0.1, 0.2)  # how far a pattern may change a value
FAINTEST = 0.1  # of a mask; what is fainter is left out


class Parts(Protocol):
    """A feature in the making. parameters: what is optimised."""

    parameters: list[Tensor]

    def on(self, images: Tensor) -> Tensor:
        """Images [n x channels x height x width] with the feature."""

    def cost(self) -> Tensor:
        """What is added to the loss."""

    def frozen(self) -> Feature:
        """As it is now."""


class Patch:
    """A mask and what it shows, both kept in [0, 1]."""

    def __init__(self, shape: tuple[int, ...], size: float, device: torch.device):
        self.mask = torch.full(shape[1:], -2.0, device=device, requires_grad=True)
        self.picture = torch.zeros(shape, device=device, requires_grad=True)
        self.parameters = [self.mask, self.picture]
        self.size = size

    def on(self, images: Tensor) -> Tensor:
        """See `Parts`."""
        return images + self.mask.sigmoid() * (self.picture.sigmoid() - images)

    def cost(self) -> Tensor:
        """See `Parts`."""
        mask = self.mask.sigmoid()
        roughness = mask.diff(dim=0).abs().mean() + mask.diff(dim=1).abs().mean()
        return self.size * mask.mean() + ROUGHNESS * roughness

    def frozen(self) -> Feature:
        """See `Parts`."""
        mask = _numpy(self.mask.sigmoid())
        mask[mask < FAINTEST] = 0
        return Feature("learned patch", mask, _numpy(self.picture.sigmoid()))


class Pattern:
    """What is added to every value, `reach` at most."""

    def __init__(self, shape: tuple[int, ...], reach: float, device: torch.device):
        self.change = torch.zeros(shape, device=device, requires_grad=True)
        self.parameters = [self.change]
        self.reach = reach

    def on(self, images: Tensor) -> Tensor:
        """See `Parts`."""
        return (images + self.reach * self.change.tanh()).clamp(0, 1)

    def cost(self) -> Tensor:
        """See `Parts`."""
        return CHANGE * self.change.tanh().abs().mean()

    def frozen(self) -> Feature:
        """See `Parts`."""
        everywhere = np.ones(self.change.shape[1:], np.float32)
        return Feature("learned pattern", everywhere, _numpy(self.reach * self.change.tanh()))


def learned(
    mover: Side, other: Side, images: np.ndarray, label: int, steps: int, *identity: rng.Key
) -> list[Feature]:
    """A patch for each of `SIZES` and a pattern for each of `REACHES`.

    images: float32 [n x channels x height x width] in [0, 1], those to learn on; steps: of each.
    identity: of the order of images, as for `core.rng`.
    """
    shape = images.shape[1:]
    making: list[Parts] = []
    for size in SIZES:
        making.append(Patch(shape, size, mover.device))
    for reach in REACHES:
        making.append(Pattern(shape, reach, mover.device))
    given = torch.from_numpy(images).to(mover.device)
    for parts in making:
        optimizer = AdamW(parts.parameters, lr=RATE, weight_decay=0, fused=None)
        for step in range(steps):
            order = rng.permutation(len(images), "order", *identity, step)
            batch = given[torch.from_numpy(order[:BATCH])]
            loss = _loss(mover, other, batch, parts.on(batch), label) + parts.cost()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [parts.frozen() for parts in making]


def _loss(mover: Side, other: Side, before: Tensor, after: Tensor, label: int) -> Tensor:
    """Low where the feature moves the one to the label and leaves the other where it was."""
    wanted = -mover.log_probabilities(after)[..., label].mean()
    with torch.no_grad():
        was = other.log_probabilities(before)
    gone = (was.exp() * (was - other.log_probabilities(after))).sum(2).mean()
    return wanted + gone


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
