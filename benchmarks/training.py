"""Models per second: one job per shard, against one process per model.

One process per model is how the published `datamodels` package trains: each process imports
torch, loads the data and trains one model with a plain loop over a DataLoader. Both sides train
the embedded study's models on one CPU thread, in turn in one run; both pay for their processes.

    python benchmarks/training.py --models 500 --rounds 3
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from modeldiff import dataset, files, keyed, subsets
from modeldiff.study import Study

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
SINGLE = 4  # processes of one model each, per round


def one_model(manifest: Path, model: int) -> None:
    """Train one model of `plain` as a plain PyTorch program would, and compute its margins."""
    torch.set_num_threads(1)
    study = Study.read(CONFIG)
    data = dataset.read(manifest, study.key("dataset"))
    recipe = study.config["algorithms"]["plain"]
    mask = subsets.draw(len(data.train.labels), [model], study.alpha, study.seed)[0]
    images = torch.from_numpy(dataset.as_float(data.train.images[mask]))
    labels = torch.from_numpy(data.train.labels[mask])
    torch.manual_seed(keyed.seed("benchmark", model))
    hidden = recipe["model"]["hidden"]
    layers = torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10)
    net = torch.nn.Sequential(torch.nn.Flatten(), *layers)
    settings = {k: v for k, v in recipe["optimizer"].items() if k != "name"}
    optimizer = torch.optim.SGD(net.parameters(), **settings)
    loader = DataLoader(TensorDataset(images, labels), recipe["batch"], shuffle=True)
    steps, peak = recipe["epochs"] * len(loader), recipe["schedule"]["peak"]
    triangle = np.interp(np.arange(steps) / steps, [0, peak, 1], [0, 1, 0])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: triangle[min(s, steps - 1)])
    for _ in range(recipe["epochs"]):
        for batch, wanted in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(batch), wanted).backward()
            optimizer.step()
            schedule.step()
    with torch.inference_mode():
        logits = net(torch.from_numpy(dataset.as_float(data.test.images[data.targets])))
    wanted = torch.from_numpy(data.test.labels[data.targets])
    correct = logits.gather(1, wanted[:, None])[:, 0]
    margins = correct - logits.scatter(1, wanted[:, None], -torch.inf).amax(1)
    assert (margins > 0).float().mean() > 0.8, "the peer must train real models"


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=500, help="models of the shard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=int, help="(used by itself) train this model alone")
    parser.add_argument("--manifest", type=Path, help="(used by itself) the prepared data set")
    options = parser.parse_args()
    if options.one is not None:
        return one_model(options.manifest, options.one)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.json"
        dataset.prepare(Study.read(CONFIG), manifest)
        shard = [sys.executable, "-m", "modeldiff", "train", str(CONFIG), "plain"]
        shard += ["--models", f"0:{options.models}", "--dataset", str(manifest)]
        shard += ["--output", f"{folder}/shard.npy"]
        single = [sys.executable, __file__, "--manifest", str(manifest), "--one"]
        ours, theirs = [], []
        for i in range(options.rounds):
            ours.append(options.models / seconds(shard))
            times = [seconds([*single, str(SINGLE * i + j)]) for j in range(SINGLE)]
            theirs.append(SINGLE / sum(times))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print("| | models/s, median of rounds | min to max |\n|---|---|---|")
    print(f"| one job per shard of {options.models} | {line(ours)} |")
    print(f"| one process per model, {SINGLE} a round | {line(theirs)} |")
    print(f"| ratio | {line(ratios)} |")
    cpu = files.origin()["hardware"]["cpu"]
    print(f"\n{options.rounds} rounds in turn, 1 thread each, torch {torch.__version__}, {cpu}")


def line(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} | {min(values):.3g} to {max(values):.3g}"


if __name__ == "__main__":
    main()
