"""Architectures that come with ModelDiff.

A user's own, by import path, has the same signature: `function(shape, classes, **options)`
returns a torch module that maps float32 images [n x channels x height x width] to logits
[n x classes]; shape is (channels, height, width).
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from modeldiff.errors import UserError
from modeldiff.training.vision import torchvision

Shape = tuple[int, int, int]


def mlp(shape: Shape, classes: int, *, hidden: int) -> nn.Module:
    """One hidden layer of rectified linear units."""
    pixels = math.prod(shape)
    layers = nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    return nn.Sequential(nn.Flatten(), *layers)


def convnet(shape: Shape, classes: int, *, width: int) -> nn.Module:
    """Three convolutions without batch normalisation, for studies on a CPU."""
    layers: list[nn.Module] = []
    channels = shape[0]
    for wide in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = wide
    flat = channels * (shape[1] // 8) * (shape[2] // 8)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, classes))


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


def resnet9(shape: Shape, classes: int) -> nn.Module:
    """The papers' ResNet-9 (KakaoBrain's variant): 2,274,880 parameters on CIFAR-10."""

    def block(inside: int, outside: int, kernel: int = 3, stride: int = 1, padding: int = 1):  # type: ignore[no-untyped-def]
        convolution = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU())

    return nn.Sequential(
        block(shape[0], 64),
        block(64, 128, kernel=5, stride=2, padding=2),
        Residual(block(128, 128), block(128, 128)),
        block(128, 256),
        nn.MaxPool2d(2),
        Residual(block(256, 256), block(256, 256)),
        block(256, 128, padding=0),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(128, classes, bias=False),
        Scale(0.2),
    )


def _resnet(name: str, classes: int, weights: str | None) -> nn.Module:
    """A torchvision ResNet, its last layer new if it starts from trained weights.

    weights: None; "IMAGENET1K_V1" or another of torchvision's names; or a local file of a state
    dict, with or without the last layer.
    """
    torchvision()
    from torchvision import models

    if weights is None:
        return models.get_model(name, weights=None, num_classes=classes)
    if Path(weights).suffix:
        module = models.get_model(name, weights=None)
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # a missing file, or one that is no file of weights
            reason = str(error).splitlines()[0]
            raise UserError(f"model.weights: {weights}: cannot be loaded: {reason}") from None
        state = {k: v for k, v in state.items() if not k.startswith("fc.")}
        left = module.load_state_dict(state, strict=False)
        if left.unexpected_keys or set(left.missing_keys) != {"fc.weight", "fc.bias"}:
            raise UserError(f"model.weights: {weights}: are not the weights of a {name}")
    else:
        module = models.get_model(name, weights=weights)
    module.fc = nn.Linear(module.fc.in_features, classes)
    return module


def resnet18(shape: Shape, classes: int, *, weights: str | None) -> nn.Module:
    """torchvision's ResNet-18."""
    return _resnet("resnet18", classes, weights)


def resnet50(shape: Shape, classes: int, *, weights: str | None) -> nn.Module:
    """torchvision's ResNet-50."""
    return _resnet("resnet50", classes, weights)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "convnet": convnet,
    "resnet9": resnet9,
    "resnet18": resnet18,
    "resnet50": resnet50,
}
