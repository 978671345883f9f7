"""A plain PyTorch program that trains models one after another: what `training.py` compares with.

    python benchmarks/training_peers.py WORK.json --loop dataloader|ffcv --models N

`dataloader`: a DataLoader over a TensorDataset that lies in memory, torch's defaults otherwise.
`ffcv`: FFCV's Loader with `indices`, its own flip, channels-last: as the published `datamodels`
package trains. Prints the seconds of each model. Only the architecture comes from ModelDiff.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from modeldiff.training.models import MODELS


def dataloader(work: dict[str, Any], arrays: Any, rows: np.ndarray) -> Any:
    """Batches, with torch's own loader; flips batch by batch, which is kind to it."""
    images = torch.from_numpy(arrays["train_images"][rows]).float() / 255
    labels = torch.from_numpy(arrays["train_labels"][rows])
    loader = DataLoader(TensorDataset(images, labels), work["recipe"]["batch"], shuffle=True)

    class Flipped:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for batch, wanted in loader:
                if work["recipe"].get("augment"):
                    flip = torch.rand(len(batch), 1, 1, 1) < 0.5
                    batch = torch.where(flip, batch.flip(3), batch)
                yield batch, wanted

    return Flipped()


def ffcv(work: dict[str, Any], arrays: Any, rows: np.ndarray) -> Any:
    """Batches, with FFCV's loader."""
    from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import RandomHorizontalFlip, Squeeze, ToTensor, ToTorchImage

    flip = [RandomHorizontalFlip()] if work["recipe"].get("augment") else []
    loader = Loader(
        work["beton"],
        batch_size=work["recipe"]["batch"],
        num_workers=1,
        order=OrderOption.RANDOM,
        indices=rows.astype(np.uint64),
        drop_last=False,
        pipelines={
            "image": [SimpleRGBImageDecoder(), *flip, ToTensor(), ToTorchImage()],
            "label": [IntDecoder(), ToTensor(), Squeeze()],
        },
    )

    class Scaled:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for batch, wanted, *_ in loader:
                yield batch.float() / 255, wanted.long()

    return Scaled()


def train(work: dict[str, Any], arrays: Any, rows: np.ndarray, loop: str) -> np.ndarray:
    """Train one model on `rows` and return its margins on the targets."""
    recipe, classes = work["recipe"], int(arrays["train_labels"].max()) + 1
    options = {k: v for k, v in recipe["model"].items() if k != "name"}
    net = MODELS[recipe["model"]["name"]](arrays["train_images"].shape[1:], classes, **options)
    if loop == "ffcv":
        net = net.to(memory_format=torch.channels_last)
    batches = (ffcv if loop == "ffcv" else dataloader)(work, arrays, rows)
    settings = {k: v for k, v in recipe["optimizer"].items() if k != "name"}
    optimizer = torch.optim.SGD(net.parameters(), **settings)
    steps = recipe["epochs"] * -(-len(rows) // recipe["batch"])
    triangle = np.interp(np.arange(steps) / steps, [0, recipe["schedule"]["peak"], 1], [0, 1, 0])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: triangle[min(s, steps - 1)])
    half = recipe["precision"] == "bfloat16"
    for _ in range(recipe["epochs"]):
        for batch, wanted in batches:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = net(batch)
            nn.functional.cross_entropy(logits.float(), wanted).backward()
            optimizer.step()
            schedule.step()
    targets = torch.from_numpy(arrays["target_images"]).float() / 255
    with torch.inference_mode():
        net.eval()
        logits = torch.cat([net(some) for some in targets.split(500)])
    wanted = torch.from_numpy(arrays["target_labels"])[:, None]
    others = logits.scatter(1, wanted, -torch.inf).amax(1)
    return (logits.gather(1, wanted)[:, 0] - others).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--loop", choices=["dataloader", "ffcv"], required=True)
    parser.add_argument("--models", type=int, required=True)
    options = parser.parse_args()
    if options.loop == "ffcv":
        import ffcv.loader  # noqa: F401 - sets torch's threads when it is imported
    torch.set_num_threads(1)
    work, seconds = json.loads(options.work.read_text()), []
    with np.load(work["arrays"], allow_pickle=False) as arrays:
        arrays = dict(arrays)
    for model in range(options.models):
        start = time.perf_counter()
        margins = train(work, arrays, arrays["subsets"][model], options.loop)
        seconds.append(time.perf_counter() - start)
        assert np.isfinite(margins).all()
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
