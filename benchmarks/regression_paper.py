"""Datamodel regression at the paper's size, on a GPU if there is one: time per stage, floor.

python benchmarks/regression_paper.py 50000x100000x10000
python benchmarks/regression_paper.py 1000x5000x50  # scaled down, for a CPU
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modeldiff import datamodels
from modeldiff.datamodels.gram_cache import Grams
from modeldiff.subsets import Masks

PLANTED = 20  # examples that a target depends on


def paper(size: tuple[int, int, int], where: str) -> dict[str, Any]:
    """Seconds of each stage at examples x models x targets on the device `where`, 100 penalties.

    Masks, each example with probability 1/2, are drawn by blocks and bit-packed on disk; margins
    are of planted sparse weights, float16. The gaps of a sample of targets are computed in float64
    from the masks themselves. The floor, in seconds: the products of X'X and X'y, and one dense
    gradient for each point of a path that was visited, at the measured rate of a float32 product.
    """
    examples, models, targets = size
    device = torch.device(where)
    random = torch.Generator(device).manual_seed(0)
    seconds: dict[str, float] = {}
    start = time.perf_counter()

    def done(stage: str) -> None:
        nonlocal start
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds[stage], start = time.perf_counter() - start, time.perf_counter()
        print(f"{stage}: {seconds[stage]:.1f} s", flush=True)

    with tempfile.TemporaryDirectory() as name:
        shape, folder = (models, targets), Path(name)
        y = np.lib.format.open_memmap(folder / "margins.npy", "w+", np.float16, shape)
        bits = (models, -(-examples // 8))
        x = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, bits)
        weights = torch.zeros(examples, targets, device=device)
        planted = torch.randint(examples, (PLANTED, targets), generator=random, device=device)
        weights.scatter_(0, planted, torch.randn(PLANTED, targets, generator=random, device=device))
        for rows in np.array_split(np.arange(models), max(1, models // 1000)):
            drawn = torch.rand(len(rows), examples, generator=random, device=device) < 0.5
            noise = torch.randn(len(rows), targets, generator=random, device=device)
            y[rows] = (drawn.float() @ weights + np.sqrt(PLANTED) / 2 * noise).half().cpu().numpy()
            x[rows] = np.packbits(drawn.cpu().numpy(), axis=1)
        del weights, drawn, noise
        done("data")
        masks = Masks(np.load(folder / "masks.npy", mmap_mode="r"), examples)
        margins = np.load(folder / "margins.npy", mmap_mode="r")
        grams = Grams.of(masks, margins, device=str(device))
        done("X'X")
        fit = datamodels.fit(
            masks, margins, path=100, tolerance=1e-4, device=str(device), grams=grams
        )
        done("fit")
        sample = np.linspace(0, targets - 1, min(targets, 8)).astype(int)
        gaps = sampled_gaps(masks, margins, fit, sample)
        done("gaps")
    left = torch.ones(4096, 4096, device=device)
    torch.mm(left, left).sum().item()  # warms up
    start = time.perf_counter()
    torch.mm(left, left).sum().item()
    rate = 2 * len(left) ** 3 / (time.perf_counter() - start)
    products = (models * examples**2 + 2 * models * examples * targets) / rate
    points = np.isfinite(fit.path_gap).sum()
    least = products + 2 * examples**2 * points / rate
    used = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None
    return {
        "seconds": seconds,
        "gap": float(gaps.max()),
        "stated_gap": float(fit.gap.max()),
        "gib": used,
        "points": int(points),
        "rate": rate,
        "floor": least,
    }


def sampled_gaps(masks, margins, fit: datamodels.Datamodels, sample: np.ndarray) -> np.ndarray:
    """Relative duality gaps of some targets in float64, in two passes over masks and margins."""
    m = len(margins)
    held = range(0, m, 2000)
    y = margins[:, sample].astype(np.float64)
    y -= y.mean(0)
    share = sum(masks[i : i + 2000].sum(0) for i in held) / m
    scale = np.sqrt(share * (1 - share))
    w = fit.weights[sample].astype(np.float64).T
    residual = np.concatenate([y[i : i + 2000] - (masks[i : i + 2000] - share) @ w for i in held])
    g = sum((masks[i : i + 2000] - share).T @ residual[i : i + 2000] for i in held)
    largest = abs(g / scale[:, None]).max(0)
    penalty, square = fit.lambdas[sample], (residual**2).sum(0)
    aligned = (y * residual).sum(0)
    dual = np.minimum(aligned / square, m * penalty / largest)
    primal = square / 2 / m + penalty * abs(w * scale[:, None]).sum(0)
    return (primal - (dual * aligned - dual**2 * square / 2) / m) / ((y**2).sum(0) / 2 / m)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", help="examples x models x targets, such as 1000x5000x50")
    examples, models, targets = map(int, parser.parse_args().size.split("x"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(json.dumps(paper((examples, models, targets), device), indent=1))


if __name__ == "__main__":
    main()
