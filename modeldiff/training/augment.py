"""What is done to images: always (`preprocess`), or at random while training (`augment`).

A user's own, by import path, have the same signatures:

    preprocess  function(images, **options) -> images
    augment     function(images, random, **options) -> images
                random: float32 [n x DRAWS] uniform in [0, 1), drawn for the model, the epoch and
                the example alone, so that an example is changed alike in any batch

Images are float32 [n x channels x height x width] in [0, 1].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

DRAWS = 6  # random numbers an augmentation has for each example


def blank_border(images: Tensor, *, width: int) -> Tensor:
    """Set a border of `width` pixels to black."""
    inside = torch.zeros_like(images)
    inside[..., width:-width, width:-width] = images[..., width:-width, width:-width]
    return inside


def normalise(images: Tensor, *, mean: list[float], sd: list[float]) -> Tensor:
    """Subtract each channel's mean and divide by its standard deviation."""
    shape = (1, -1, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(sd).view(shape)


def flip(images: Tensor, random: Tensor) -> Tensor:
    """Mirror left and right, with probability one half."""
    return torch.where(random[:, 0].view(-1, 1, 1, 1) < 0.5, images.flip(3), images)


def translate(images: Tensor, random: Tensor, *, pixels: int) -> Tensor:
    """Shift by up to `pixels` either way; what comes in is black."""
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
    images: Tensor, random: Tensor, *, min_scale: float, ratio: float = 4 / 3
) -> Tensor:
    """Crop a box of `min_scale` to all of the area, stretched by up to `ratio`, to full size.

    torchvision's transform draws boxes until one fits; here the box is cut to the image.
    """
    area = min_scale + (1 - min_scale) * random[:, 0]
    stretch = torch.exp((2 * random[:, 1] - 1) * math.log(ratio))
    width, height = ((area * stretch).sqrt().clamp(max=1), (area / stretch).sqrt().clamp(max=1))
    x, y = ((2 * random[:, i] - 1) * (1 - side) for i, side in ((2, width), (3, height)))
    zero = torch.zeros_like(x)
    box = torch.stack([width, zero, x, zero, height, y], 1).view(-1, 2, 3)
    grid = F.affine_grid(box, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def colour(images: Tensor, random: Tensor, *, strength: float) -> Tensor:
    """Change brightness and contrast by factors of 1 - strength to 1 + strength."""
    brightness, contrast = (1 + strength * (2 * random[:, :2] - 1)).view(-1, 2, 1, 1, 1).unbind(1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean).mul(brightness).clamp(0, 1)


PREPROCESS: dict[str, Callable[..., Tensor]] = {
    "blank_border": blank_border,
    "normalise": normalise,
}
AUGMENT: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "translate": translate,
    "cutout": cutout,
    "random_resized_crop": random_resized_crop,
    "colour": colour,
}
