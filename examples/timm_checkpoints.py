"""Two sets of timm models that are trained already: what sets them apart, without training again.

You learn: that `compare_checkpoints` takes any timm model, and how one normalises its images. The
models here are tiny and trained on the spot; yours would come from `timm.create_model(...,
checkpoint_path=...)`. The answer is known: the second recipe cannot see the corner that gives
twelve relabelled training digits away.
"""

import numpy as np
import timm
import torch
from torch import nn
from torchvision.transforms import v2

import modeldiff

digits = modeldiff.dataset.digits()
images, labels = digits.train.images[:400].copy(), digits.train.labels[:400].copy()
planted = np.flatnonzero(labels != 3)[:12]
images[planted, :, :2, :2], labels[planted] = 255, 3
test_images, test_labels = digits.test.images[:100].copy(), digits.test.labels[:100]
test_images[::2, :, :2, :2] = 255


class Blank(nn.Module):
    """Does not let the corner through."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (torch.arange(8) > 1).outer(torch.ones(8))


def trained(*first: nn.Module, seed: int) -> nn.Module:
    """A timm model behind what is done to its images, as a checkpoint of yours would be."""
    torch.manual_seed(seed)
    net = timm.create_model("test_byobnet", num_classes=10, in_chans=1)
    module = nn.Sequential(*first, v2.Normalize([0.3], [0.4]), nn.Upsample(32), net)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    x, y = torch.tensor(images) / 255, torch.tensor(labels)
    for _ in range(15):
        for rows in torch.randperm(len(y)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()
    return module


compared = modeldiff.compare_checkpoints(
    [trained(seed=0), trained(seed=1)],
    [trained(Blank(), seed=0), trained(Blank(), seed=1)],
    train=(images, labels),
    test=(test_images, test_labels),
    names=("seeing", "blind"),
    proposals=2,
)
print(compared)
hits = np.isin(compared.found.proposed[0].strongest_train(12), planted).sum()
print(f"proposal 1 names {hits} of 12 planted images")
