"""Architectures that come with ModelDiff.

A user's own, by import path, has the same signature: `function(shape, classes, **options)`
returns a torch module that maps float32 images [n x channels x height x width] to logits
[n x classes]; shape is (channels, height, width). Of a table it maps rows, float32 [n x columns],
and shape is (columns,); of texts their bytes, of sequences their symbols,
int64 [n x length], where 0 is padding. A module
whose initial weights depend on data has a method `initialise(images)`. It is called once before
training, with the images of the model's own first batch, preprocessed but not augmented; not if the
user's own function trains it.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modeldiff.core import paths
from modeldiff.core.errors import UserError, shown
from modeldiff.core.vision import torchvision
from modeldiff.training.sequence_models import recurrent
from modeldiff.training.text_models import bag_of_words, transformer

Shape = tuple[int, ...]


def mlp(shape: Shape, classes: int, *, hidden: int) -> nn.Module:
    """One hidden layer of rectified linear units."""
    pixels = math.prod(shape)
    layers = nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    return nn.Sequential(nn.Flatten(), *layers)


def convnet(shape: Shape, classes: int, *, width: int, weights: str | None = None) -> nn.Module:
    """Three convolutions without batch normalisation, for studies on a CPU.

    weights: None, or a local file of a state dict to start from; the last layer is always new.
    """
    layers: list[nn.Module] = []
    channels = shape[0]
    for wide in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = wide
    flat = channels * (shape[1] // 8) * (shape[2] // 8)
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, classes))
    if weights is not None:
        _start(module, weights, last=str(len(module) - 1), name="convnet")
    return module


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Scale(nn.Module):
    """A constant factor on the logits."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def resnet9(shape: Shape, classes: int, *, width: int = 64) -> nn.Module:
    """The papers' ResNet-9 (KakaoBrain's variant): 2,274,880 parameters on CIFAR-10.

    width: channels of the first layer; the others have two or four times as many.
    """

    if min(shape[1:]) < 11:
        raise UserError(f"model resnet9: needs images of 11 pixels or more, not {shape[1:]}")

    def block(inside: int, outside: int, kernel: int = 3, stride: int = 1, padding: int = 1):  # type: ignore[no-untyped-def]
        convolution = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU())

    twice, four_times = 2 * width, 4 * width
    return nn.Sequential(
        block(shape[0], width),
        block(width, twice, kernel=5, stride=2, padding=2),
        Residual(block(twice, twice), block(twice, twice)),
        block(twice, four_times),
        nn.MaxPool2d(2),
        Residual(block(four_times, four_times), block(four_times, four_times)),
        block(four_times, twice, padding=0),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(twice, classes, bias=False),
        Scale(0.2),
    )


class QuickNorm(nn.BatchNorm2d):
    """Batch normalisation, its scales fixed at 1; with SGD its biases learn 64 times as fast.

    They are 8 times a parameter: its gradient and what a step of it does both grow by 8.
    """

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        assert self.momentum is not None
        mean, variance, bias = self.running_mean, self.running_var, 8 * self.bias
        weight, training, momentum = self.weight, self.training, self.momentum
        return F.batch_norm(x, mean, variance, weight, bias, training, momentum, self.eps)


class Airbench(nn.Sequential):
    """See `airbench`."""

    @torch.no_grad()
    def initialise(self, images: Tensor) -> None:
        """Whiten patches of images [n x C x H x W], float32, in the first layer.

        Its filters [8 C x C x 2 x 2] are the patches' principal components, with either sign, over
        their standard deviations.
        """
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        patches = F.unfold(images, 2).transpose(0, 1).flatten(1)
        moments = patches @ patches.T / patches.shape[1]
        variances, components = torch.linalg.eigh(moments.double().cpu())
        filters = (components / (variances + 5e-4).sqrt()).T.view(-1, *first.weight.shape[1:])
        first.weight.copy_(torch.cat([filters, -filters]))


def airbench(shape: Shape, classes: int) -> nn.Module:
    """The net of airbench94 (Jordan 2024, arXiv 2404.00498), made for speed: 2 million parameters.

    As there the first layer whitens patches of 2 x 2 pixels (here those of the model's own first
    batch, and its bias learns to the end), each convolution starts as the identity on as many
    channels as came in, and biases learn faster than weights.
    """
    if min(shape[1:]) < 25:
        raise UserError(f"model airbench: needs images of 25 pixels or more, not {shape[1:]}")

    def part(inside: int, outside: int, *pool: nn.Module) -> list[nn.Module]:
        convolution = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        nn.init.dirac_(convolution.weight[:inside])
        return [convolution, *pool, QuickNorm(outside), nn.GELU()]

    first = nn.Conv2d(shape[0], 8 * shape[0], 2)
    first.weight.requires_grad_(False)
    nn.init.zeros_(first.bias)  # type: ignore[arg-type]
    layers: list[nn.Module] = [first, nn.GELU()]
    for inside, outside in ((first.out_channels, 64), (64, 256), (256, 256)):
        layers += part(inside, outside, nn.MaxPool2d(2)) + part(outside, outside)
    side = [(length - 1) // 8 // 3 for length in shape[1:]]
    last = nn.Linear(256 * math.prod(side), classes, bias=False)
    return Airbench(*layers, nn.MaxPool2d(3), nn.Flatten(), last, Scale(1 / 9))


def _start(module: nn.Module, weights: str, *, last: str, name: str) -> None:
    """Take all weights but those of the layer `last` from a local file of a state dict."""
    try:
        paths.regular(weights)
        state = torch.load(weights, map_location="cpu", weights_only=True)
        state = {k: v for k, v in state.items() if not k.startswith(f"{last}.")}
        left = module.load_state_dict(state, strict=False)
    except Exception as error:  # a missing file, or one without such weights
        reason = " ".join(str(error).split())
        raise UserError(f"model.weights: {weights}: cannot be loaded: {reason}") from None
    if left.unexpected_keys or set(left.missing_keys) != {f"{last}.weight", f"{last}.bias"}:
        raise UserError(f"model.weights: {weights}: does not hold the weights of a {name}")


def _resnet(name: str, shape: Shape, classes: int, weights: str | None) -> nn.Module:
    """A torchvision ResNet, its last layer new if it starts from trained weights.

    weights: None; "IMAGENET1K_V1" or another of torchvision's names; or a local file of a state
    dict, with or without the last layer.
    """
    if shape[0] != 3:
        raise UserError(f"model {name}: needs images of 3 channels, not {shape[0]}")
    torchvision()
    from torchvision import models

    if weights is None:
        return models.get_model(name, weights=None, num_classes=classes)
    if Path(weights).suffix:
        module = models.get_model(name, weights=None)
        _start(module, weights, last="fc", name=name)
    else:
        names = [known.name for known in models.get_model_weights(name)]
        if weights not in names:
            must = f"must be {', '.join(names)}, or a file with a suffix"
            raise UserError(f"model.weights: is {shown(weights)}; {must}")
        module = models.get_model(name, weights=weights)
    module.fc = nn.Linear(module.fc.in_features, classes)
    return module


def resnet18(shape: Shape, classes: int, *, weights: str | None) -> nn.Module:
    """torchvision's ResNet-18."""
    return _resnet("resnet18", shape, classes, weights)


def resnet50(shape: Shape, classes: int, *, weights: str | None) -> nn.Module:
    """torchvision's ResNet-50."""
    return _resnet("resnet50", shape, classes, weights)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "convnet": convnet,
    "resnet9": resnet9,
    "airbench": airbench,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "bag_of_words": bag_of_words,
    "transformer": transformer,
    "recurrent": recurrent,
}
