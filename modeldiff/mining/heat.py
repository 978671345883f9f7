"""Where on its images a direction's difference lies.

What is looked at is the log-odds of the direction's class under the mover, less those under the
other algorithm, means over models. Where a part of an image is covered by the mean of other images,
some of it is lost; and by gradients every pixel has a share of what the image adds to that mean
(integrated gradients; Sundararajan et al. 2017, arXiv 1703.01365). Covering is coarse, gradients
are noisy: the heat is the sum of both, each divided by its largest size.
"""

import numpy as np
import torch
from torch import Tensor

from modeldiff.mining.crops import places
from modeldiff.mining.sides import Side

SURE = 1e-6  # no probability is nearer to 0 or 1
WINDOW = 1 / 8  # side of what is covered, of an image's shorter side
STEPS = 8  # of the path from the mean image to the image


def heat(
    mover: Side, other: Side, images: np.ndarray, background: np.ndarray, label: int
) -> np.ndarray:
    """How hot each pixel of each image is: float64 [images x height x width], in [-2, 2].

    images: float32 [n x channels x height x width]; background: the mean of others.
    """
    covered = covering(mover, other, images, background, label)
    graded = gradients(mover, other, images, background, label)
    return _scaled(covered) + _scaled(graded)


def covering(
    mover: Side, other: Side, images: np.ndarray, background: np.ndarray, label: int
) -> np.ndarray:
    """What is lost where windows that hold a pixel are covered, mean: [images x height x width]."""
    height, width = images.shape[2:]
    side = max(2, round(WINDOW * min(height, width)))
    whole = _log_odds(mover, images, label) - _log_odds(other, images, label)
    lost = np.zeros((len(images), height, width))
    windows = np.zeros((height, width))
    for top in places(height, side):
        for left in places(width, side):
            at = (..., slice(top, top + side), slice(left, left + side))
            covered = images.copy()
            covered[at] = background[at]
            rest = _log_odds(mover, covered, label) - _log_odds(other, covered, label)
            lost[at] += (whole - rest)[:, None, None]
            windows[at] += 1
    return lost / windows


def gradients(
    mover: Side, other: Side, images: np.ndarray, background: np.ndarray, label: int
) -> np.ndarray:
    """Integrated gradients from the background, summed over channels: [images x height x width]."""
    start = torch.from_numpy(background).to(mover.device)
    way = torch.from_numpy(images).to(mover.device) - start
    total = torch.zeros_like(way)
    for step in range(STEPS):
        place = (start + (step + 0.5) / STEPS * way).requires_grad_()
        of_mover = _differentiable_log_odds(mover, place, label)
        of_other = _differentiable_log_odds(other, place, label)
        (gradient,) = torch.autograd.grad((of_mover - of_other).sum(), place)
        total += gradient / STEPS
    found: np.ndarray = (total * way).sum(1).cpu().numpy().astype(np.float64)
    return found


def _log_odds(side: Side, images: np.ndarray, label: int) -> np.ndarray:
    """Of the label, means over models: float64 [images]."""
    p = side.probability(images, label).astype(np.float64).clip(SURE, 1 - SURE)
    odds: np.ndarray = (np.log(p) - np.log1p(-p)).mean(0)
    return odds


def _differentiable_log_odds(side: Side, images: Tensor, label: int) -> Tensor:
    log_p = side.log_probabilities(images)[..., label]
    return (log_p - torch.log1p(-log_p.exp().clamp(SURE, 1 - SURE))).mean(0)


def _scaled(maps: np.ndarray) -> np.ndarray:
    """Divided by their largest size, of all images together; zeros stay."""
    largest = np.abs(maps.mean(0)).max()
    return np.clip(maps / largest, -1, 1) if largest else maps
