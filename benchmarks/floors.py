"""The least that training can take on a machine: operations counted, over the rate measured."""

import time

import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from modeldiff.dataset import Dataset
from modeldiff.study import Algorithm
from modeldiff.training import building


def operations(algorithm: Algorithm, data: Dataset, examples: int) -> int:
    """Floating-point operations of training one model on `examples` and predicting the targets."""
    shape = data.train.images.shape[1:]
    module = building.architecture(algorithm, shape, len(data.classes))
    images, labels = torch.zeros(2, *shape), torch.zeros(2, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        logits = module(images)
    with FlopCounterMode(display=False) as backward:
        cross_entropy(logits, labels).backward()
    ahead, back = forward.get_total_flops() / 2, backward.get_total_flops() / 2
    views = 2 if algorithm.flip_average else 1
    return round(algorithm.epochs * examples * (ahead + back) + views * len(data.targets) * ahead)


def rate(precision: str, device: str) -> float:
    """Operations per second of a large matrix product: the best of ten."""
    n = 8192 if device == "cuda" else 2048
    a, b = (torch.rand(n, n, device=device).to(getattr(torch, precision)) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best
