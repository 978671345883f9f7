"""What is done to images: always (`preprocess`), or at random during training (`augment`).

A user's own, by import path, have the same signatures:

    preprocess  function(images, **options) -> images
    augment     function(images, random, **options) -> images
                random: float32 [n x DRAWS] uniform in [0, 1), drawn for the model, the epoch and
                the example alone, so that an example is changed the same way in any batch

Images are float32 [n x channels x height x width] in [0, 1]; rows of a table, for which there is no
augmentation, float32 [n x columns]; texts and sequences, as little, int64 [n x length].
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.study import Algorithm, components, user_code
from modeldiff.study.components import Component
from modeldiff.study.kinds import of_array

DRAWS = 6  # random numbers an augmentation has for each example


def preprocess(algorithm: Algorithm, images: Tensor) -> Tensor:
    """What the algorithm does to every image, in training and in use."""
    for step in algorithm.preprocess:
        images = _applied("preprocess", step, PREPROCESS, images)
    return images


def prepare(algorithm: Algorithm, images: Tensor) -> Tensor:
    """`preprocess` real images; UserError if a user's own step makes them infinite or NaN."""
    prepared = preprocess(algorithm, images)
    own = [step.name for step in algorithm.preprocess if user_code.is_own(step.name)]
    if own and not prepared.isfinite().all():
        came = "returned values that are infinite or NaN"
        raise user_code.refused(own[-1], "preprocess", came, "finite for every image")
    return prepared


def _applied(
    kind: str,
    step: Component,
    built_in: dict[str, Callable[..., Tensor]],
    images: Tensor,
    *random: Tensor,
) -> Tensor:
    """A step of `preprocess` or `augment`; UserError if the user's own breaks the contract."""
    function = components.find(step.name, built_in)
    if not user_code.is_own(step.name):
        return function(images, *random, **step.options)
    with user_code.running(step.name, kind):
        changed = function(images.clone(), *random, **step.options)  # it may write into them
    right = isinstance(changed, Tensor) and changed.dtype == images.dtype
    right = right and changed.ndim == images.ndim
    if not right or len(changed) != len(images) or changed.device != images.device:
        sides = " x ".join((str(len(images)), *of_array(images).sides))
        dtype = str(images.dtype).removeprefix("torch.")
        wanted = f"a tensor, {dtype} [{sides}], on the device"
        raise user_code.refused(step.name, kind, changed, wanted)
    return changed


def draws(
    algorithm: Algorithm, models: Sequence[tuple[rng.Key, ...]], epoch: int, n: int
) -> np.ndarray:
    """What each augmentation draws, by example: float32 [steps x models x n x DRAWS]."""
    shape = (len(algorithm.augment), len(models), n, DRAWS)
    random = np.empty(shape, np.float32)
    for i, j in np.ndindex(shape[:2]):
        keys = ("augment", i, *models[j], epoch)
        random[i, j] = rng.uniform32(n * DRAWS, *keys).reshape(n, DRAWS)
    return random


def augmented(algorithm: Algorithm, inputs: Tensor, random: Tensor) -> Tensor:
    """Change a batch [models x n x C x H x W] by random [steps x models x n x DRAWS]."""
    flat = inputs.flatten(0, 1)
    for step, drawn in zip(algorithm.augment, random, strict=True):
        flat = _applied("augment", step, AUGMENT, flat, drawn.flatten(0, 1))
    return preprocess(algorithm, flat).unflatten(0, inputs.shape[:2])


def blank_border(images: Tensor, *, width: int) -> Tensor:
    """Set a border of `width` pixels to black."""
    inside = torch.zeros_like(images)
    inside[..., width:-width, width:-width] = images[..., width:-width, width:-width]
    return inside


def resize(images: Tensor, *, size: int) -> Tensor:
    """Resize the shorter side to `size` pixels, the longer in proportion."""
    scale = size / min(images.shape[2:])
    shape = [max(size, int(side * scale)) for side in images.shape[2:]]
    return F.interpolate(images, shape, mode="bilinear", align_corners=False, antialias=True)


def centre_crop(images: Tensor, *, size: int) -> Tensor:
    """Keep the square of `size` pixels at the centre."""
    height, width = images.shape[2:]
    if size > min(height, width):
        raise UserError(
            f"preprocess: centre_crop: size is {size}; must be at most that of the images, "
            f"{height} x {width}"
        )
    top, left = round((height - size) / 2), round((width - size) / 2)
    return images[..., top : top + size, left : left + size]


def standardise(rows: Tensor, *, mean: Sequence[float] = (), sd: Sequence[float] = ()) -> Tensor:
    """Subtract each column's mean and divide by its standard deviation.

    mean and sd: of the training rows, which the study tells; see `study.columns`.
    """
    return (rows - per_column(tuple(mean), rows.device)) / per_column(tuple(sd), rows.device)


@cache
def per_column(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A number per column, [columns]; cached as those of `per_channel`."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)


def drop_columns(rows: Tensor, *, columns: Sequence[int]) -> Tensor:
    """Leave out the columns at these places, which the study finds by their names."""
    kept = [column for column in range(rows.shape[1]) if column not in columns]
    return rows[:, kept]


def normalise(images: Tensor, *, mean: list[float], sd: list[float]) -> Tensor:
    """Subtract each channel's mean and divide by its standard deviation."""
    centre = per_channel(tuple(mean), images.device)
    scale = per_channel(tuple(sd), images.device)
    return (images - centre) / scale


@cache
def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A number per channel, [1 x C x 1 x 1]; cached, since a copy to a GPU waits for its work."""
    with torch.inference_mode(False):  # training may use it, whoever asked first
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


def flip(images: Tensor, random: Tensor) -> Tensor:
    """Mirror left and right, with probability one half."""
    return torch.where(random[:, 0].view(-1, 1, 1, 1) < 0.5, images.flip(3), images)


def translate(images: Tensor, random: Tensor, *, pixels: int) -> Tensor:
    """Shift by up to `pixels` either way; the uncovered part is black."""
    n, _, height, width = images.shape
    down, right = (random[:, :2] * (2 * pixels + 1)).floor().long().unbind(1)
    padded = F.pad(images, (pixels,) * 4)
    rows = down[:, None] + torch.arange(height, device=images.device)
    columns = right[:, None] + torch.arange(width, device=images.device)
    each = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def cutout(images: Tensor, random: Tensor, *, size: int) -> Tensor:
    """Replace a square of `size` pixels, wholly inside, by the image's mean colour."""
    height, width = images.shape[2:]
    top = (random[:, 0] * (height - size + 1)).floor()[:, None]
    left = (random[:, 1] * (width - size + 1)).floor()[:, None]
    y = torch.arange(height, device=images.device) - top
    x = torch.arange(width, device=images.device) - left
    hole = ((y >= 0) & (y < size))[:, None, :, None] & ((x >= 0) & (x < size))[:, None, None]
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)


def random_resized_crop(
    images: Tensor, random: Tensor, *, min_scale: float, size: int | None, ratio: float = 4 / 3
) -> Tensor:
    """Crop a box of `min_scale` to all of the area, stretched by up to `ratio`, and resize it.

    size: side of the result in pixels; None: as large as the input. torchvision's transform
    draws boxes until one fits; here the box is cut to the image.
    """
    area = min_scale + (1 - min_scale) * random[:, 0]
    stretch = torch.exp((2 * random[:, 1] - 1) * math.log(ratio))
    width, height = ((area * stretch).sqrt().clamp(max=1), (area / stretch).sqrt().clamp(max=1))
    x = (2 * random[:, 2] - 1) * (1 - width)
    y = (2 * random[:, 3] - 1) * (1 - height)
    zero = torch.zeros_like(x)
    box = torch.stack([width, zero, x, zero, height, y], 1).view(-1, 2, 3)
    shape = images.shape[2:] if size is None else (size, size)
    grid = F.affine_grid(box, [*images.shape[:2], *shape], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def colour(images: Tensor, random: Tensor, *, strength: float) -> Tensor:
    """Change brightness, contrast and saturation by factors of 1 - strength to 1 + strength."""
    factors = 1 + strength * (2 * random[:, :3] - 1)
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(1)
    images = (images * brightness).clamp(0, 1)
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp(0, 1)
    return torch.lerp(_grey(images), images, saturation).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    """Brightness as the eye weighs red, green and blue; [n x 1 x H x W]."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = per_channel((0.2989, 0.587, 0.114), images.device)
    return (images * weights).sum(1, keepdim=True)


PREPROCESS: dict[str, Callable[..., Tensor]] = {
    "blank_border": blank_border,
    "resize": resize,
    "centre_crop": centre_crop,
    "normalise": normalise,
    "standardise": standardise,
    "drop_columns": drop_columns,
}
AUGMENT: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "translate": translate,
    "cutout": cutout,
    "random_resized_crop": random_resized_crop,
    "colour": colour,
}
