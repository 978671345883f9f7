"""Any torch Dataset and training loop: one model on each random half, then a comparison.

You learn: that a mask is a `Subset` of your dataset, and a model's logits are a row of margins.
Your own Dataset, with augmentation and all, would stand for `train` and `test`. The answer is
known: `blank` cannot see the corner that gives twelve relabelled training digits away.
"""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import modeldiff

digits = modeldiff.dataset.digits()
images, labels = digits.train.images[:400] / 255.0, digits.train.labels[:400]
planted = np.flatnonzero(labels != 3)[:12]
images[planted, :, :2, :2], labels[planted] = 1, 3
test_images, test_labels = digits.test.images[:100] / 255.0, digits.test.labels[:100]
test_images[::2, :, :2, :2] = 1
train = TensorDataset(torch.tensor(images).float(), torch.tensor(labels))
test = TensorDataset(torch.tensor(test_images).float(), torch.tensor(test_labels))


def logits(subset: Subset, seen: torch.Tensor, seed: int) -> torch.Tensor:
    """Of the test images, by a model trained on a subset; it sees the pixels `seen`."""
    torch.manual_seed(seed)
    net = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, weight_decay=0.01)
    for _ in range(5):
        for x, y in DataLoader(subset, batch_size=50, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x.flatten(1) * seen), y).backward()
            optimizer.step()
    return torch.cat([net(x.flatten(1) * seen) for x, _ in DataLoader(test, batch_size=100)])


everything = torch.ones(64)
corner_blanked = everything.clone()
corner_blanked[[0, 1, 8, 9]] = 0
masks = modeldiff.subsets.draw(n_examples=len(train), models=range(100), alpha=0.5, seed=0)
margins: list[list[np.ndarray]] = [[], []]
for model, mask in enumerate(masks):
    subset = Subset(train, np.flatnonzero(mask).tolist())
    for rows, seen in zip(margins, (everything, corner_blanked), strict=True):
        rows.append(modeldiff.margins_of(logits(subset, seen, model), test_labels))
a, b = map(np.stack, margins)
print(modeldiff.compare_models(masks, a, b, names=("plain", "blank"), directions=3))
