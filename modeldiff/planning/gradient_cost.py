"""What influences by gradients cost: gradients of a few examples are measured, the rest counted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from modeldiff.attribution import gradients
from modeldiff.attribution.gradients import MarginGradients
from modeldiff.dataset import Dataset
from modeldiff.study import Study
from modeldiff.study.proof_section import INFLUENCE_KINDS
from modeldiff.training.trained_models import TrainedModels

EXAMPLES = 64  # whose gradients are measured
SIDE = 1024  # of the matrices whose product is measured
FLOAT = 4  # bytes


@dataclass(frozen=True)
class GradientCost:
    """seconds: of an algorithm's influences, for all its proposers. bytes: most that are held."""

    seconds: float
    bytes: float


def measure(
    study: Study, untrained: TrainedModels, data: Dataset, clock: Callable[[], float]
) -> GradientCost:
    """Of the study's training images and targets, at an untrained model, which costs the same."""
    n_train = len(data.train.labels)
    n_targets = len(data.targets)
    of_margins = MarginGradients(untrained, 0, n_train)
    some = range(min(EXAMPLES, n_train))
    of_margins.of(data.train, some)  # warms up
    start = clock()
    gradient, _ = of_margins.of(data.train, some)
    each = (clock() - start) / len(some)
    dimensions = gradient.shape[1]
    signs = 0
    if of_margins.projection is not None:
        signs = sum(block.numel() for block in of_margins.projection.signs)
    products = _products(n_train, n_targets, dimensions) * _seconds_per_operation(
        of_margins.device, clock
    )
    models = min(study.proof.proposers, study.full_models)
    return GradientCost(
        seconds=models * ((n_train + n_targets) * each + products),
        bytes=FLOAT * (_values(n_train, n_targets, dimensions, of_margins.count) + signs),
    )


def _products(n_train: int, n_targets: int, dimensions: int) -> float:
    """Multiplications and additions of the solution, of one model: see `preconditioned`."""
    small, large = sorted((n_train, dimensions))
    square = 2.0 * large * small**2
    factor = small**3 / 3
    solved = 2.0 * small**2 * (n_train if dimensions <= n_train else n_targets)
    return square + factor + solved + 2.0 * n_targets * n_train * dimensions


def _values(n_train: int, n_targets: int, dimensions: int, parameters: int) -> float:
    """Numbers held at once: the scores of both kinds, and what `gradients.influences` states."""
    small = min(n_train, dimensions)
    scores = len(INFLUENCE_KINDS) * n_targets * n_train
    at_once = min(gradients.EXAMPLES, max(1, gradients.AT_ONCE // parameters)) * parameters
    of_targets = min(n_targets, gradients.TARGETS) * (n_train + dimensions)
    return scores + 2 * n_train * dimensions + 2 * small**2 + of_targets + 2 * at_once


def _seconds_per_operation(device: torch.device, clock: Callable[[], float]) -> float:
    """By a product of two square matrices."""
    square = torch.ones(SIDE, SIDE, device=device)
    float((square @ square)[0, 0])  # waits for the device
    start = clock()
    float((square @ square)[0, 0])
    return (clock() - start) / (2 * SIDE**3)
