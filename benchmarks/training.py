"""Seconds per model, beside plain PyTorch programs and the floor that the hardware sets.

    python benchmarks/training.py

One CPU thread, models of seconds; `gpu.py` measures models at full scale.
Ours is what a training job does (`train_shard`: training, margins, the file), after a first model;
a job's start is given apart. Beside it, in turn: one process per model and the same plain loop when
it is warm (DataLoader; FFCV), from `training_peers.py`. Floor: the operations of training and of
predicting the targets, counted by torch, over the rate of a large matrix product measured in the
same run. The tables in docs/training.md are written by this.
"""

import argparse
import io
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from floors import operations, rate

from modeldiff import dataset, subsets, training
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.study import Algorithm, Study, sizes
from modeldiff.training import ffcv

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "training.md"
FULL = ROOT / "config" / "cifar10-fast.yaml"  # for benchmarks that import it
SGD = {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
FLIP = {"augment": [{"name": "flip"}]}
RECIPES: dict[str, dict[str, Any]] = {
    "mlp": {"model": {"name": "mlp", "hidden": 64}, "epochs": 10, "batch": 50}
    | {"optimizer": SGD | {"lr": 0.02}},
    "convnet": {"model": {"name": "convnet", "width": 8}, "epochs": 6, "batch": 25}
    | {"optimizer": SGD | {"lr": 0.05}, **FLIP},
    "resnet9": {"model": {"name": "resnet9"}, "epochs": 1, "batch": 100}
    | {"optimizer": SGD | {"lr": 0.1}, **FLIP},
}


@dataclass
class Case:
    """A recipe on prepared data, and what has been measured of it: seconds, by kind and round."""

    name: str
    images: str
    study: Study
    algorithm: str
    data: Dataset
    widths: dict[int, int]  # models at once -> models of a measurement
    work: Path | None  # what the peers read; None: no peers
    seconds: dict[str, list[float]]

    def of(self) -> Algorithm:
        return self.study.algorithms[self.algorithm]


def small(path: str, size: int, per_class: int, classes: int | None, recipe: Any) -> Study:
    """A study of real images that is only trained."""
    names = ["automobile", "truck", "cat", "dog"][:classes] if classes else None
    images = {"name": "folder", "path": path, "size": size, "classes": names}
    images |= {"train_per_class": per_class, "test_per_class": 60}
    return Study.load(
        {
            "study": "benchmark",
            "dataset": images,
            "subsets": {"models": 2000},
            "algorithms": {"a": recipe, "b": recipe},
            "comparison": {"pairs": [["a", "b"]]},
        }
    )


def prepared(study: Study, folder: Path, *, beton: bool) -> Dataset:
    """The data set, and the same in FFCV's format beside it."""
    manifest, key = folder / "manifest.json", study.key("dataset")
    if not manifest.exists():
        dataset.prepare(study, manifest)
    data = dataset.read(manifest, key)
    if beton and not (file := folder / "train.beton").exists():
        ffcv.write(data.train.images, data.train.labels, file, study.key("beton"), None)
    return data


def peer_work(case: Case, folder: Path) -> Path:
    """Write what the peers need: arrays, the recipe, FFCV's file."""
    data, study = case.data, case.study
    masks = subsets.draw(len(data.train.labels), range(4), study.alpha, study.seed)
    np.savez(
        folder / "arrays.npz",
        train_images=data.train.images,
        train_labels=data.train.labels,
        target_images=data.test.images[data.targets],
        target_labels=data.test.labels[data.targets],
        subsets=np.stack([np.flatnonzero(mask) for mask in masks]),
    )
    recipe = study.config["algorithms"][case.algorithm]
    work = {"arrays": str(folder / "arrays.npz"), "recipe": recipe}
    work["beton"] = str(folder / "train.beton")
    path = folder / f"{case.name}.json"
    path.write_text(json.dumps(work))
    return path


def cases(images: str, folder: Path) -> list[Case]:
    """The embedded study, and three models on real images."""
    digits = Study.read(ROOT / "config" / "config.yaml")
    (folder / "digits").mkdir()
    data = prepared(digits, folder / "digits", beton=False)
    found = [Case("mlp", "digits, 600 of 8 x 8", digits, "plain", data, {1: 8, 125: 250}, None, {})]
    found[0].work = peer_work(found[0], folder / "digits")
    for name, size, per_class, classes, widths, extra in (
        ("mlp", 16, 250, 4, {1: 8, 25: 50, 125: 125}, {}),
        ("convnet", 16, 250, 4, {1: 8, 4: 8, 16: 16}, {}),
        ("resnet9", 32, 60, None, {1: 1}, {}),
        ("resnet9", 32, 60, None, {1: 2}, {"precision": "bfloat16"}),
    ):
        study = small(images, size, per_class, classes, RECIPES[name] | extra)
        at = folder / f"cifar{size}-{per_class}"
        at.mkdir(exist_ok=True)
        data = prepared(study, at, beton=has_ffcv())
        label = f"{name}, bfloat16" if extra else name
        what = f"CIFAR-10, {sizes.subset_size(len(data.train.labels), 0.5)} of {size} x {size}"
        case = Case(label, what, study, "a", data, widths, None, {})
        case.work = peer_work(case, at)
        found.append(case)
    for per_class in (125, 500):  # how cost grows with images
        study = small(images, 16, per_class, 4, RECIPES["convnet"])
        at = folder / f"cifar16-{per_class}"
        at.mkdir()
        what = f"CIFAR-10, {2 * per_class} of 16 x 16"
        data = prepared(study, at, beton=False)
        found.append(Case("convnet", what, study, "a", data, {1: 8}, None, {}))
    return found


def has_ffcv() -> bool:
    try:
        ffcv.library()
    except UserError:
        return False
    return True


def ours(case: Case, width: int, models: int, folder: Path, *, beton: bool) -> float:
    """Seconds per model of a training job."""
    study, data = case.study.at_width(width), case.data
    if beton:
        where = Path(json.loads(case.work.read_text())["beton"]) if case.work else None
        data = replace(data, train=data.train._replace(beton=where))
    start, output = time.perf_counter(), folder / "shard.npy"
    with redirect_stderr(io.StringIO()):  # the bar
        training.train_shard(study, case.algorithm, data, range(models), output, device="cpu")
    return (time.perf_counter() - start) / models


def run(command: list[Any]) -> tuple[float, str]:
    """Wall seconds of a process, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def measure(case: Case, folder: Path) -> None:
    """One round of everything."""

    def note(kind: str, seconds: float) -> None:
        case.seconds.setdefault(kind, []).append(seconds)

    for width, models in case.widths.items():
        note(f"resident {width}", ours(case, width, models, folder, beton=False))
    if case.work is None:
        return
    peer = [ROOT / "benchmarks" / "training_peers.py", case.work]
    wall, said = run([*peer, "--loop", "dataloader", "--models", "2"])
    warm = json.loads(said)[1]
    note("process", wall - warm)  # as if it had trained the first model only
    note("DataLoader", warm)
    if case.work.with_name("train.beton").exists() and case.name != "resnet9":
        width, models = next(iter(case.widths.items()))
        note(f"ffcv {width}", ours(case, width, max(2, models // 4), folder, beton=True))
        note("FFCV", json.loads(run([*peer, "--loop", "ffcv", "--models", "2"])[1])[-1])


def on_cpu(images: str, rounds: int) -> list[str]:
    """The table of models, loaders, widths and peers."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = cases(images, folder)
        starts = []
        command = ["-m", "modeldiff", "train", ROOT / "config/config.yaml", "plain"]
        command += ["--models", "0:1", "--dataset", folder / "digits/manifest.json"]
        for case in found:
            ours(case, 1, 1, folder, beton=False)  # warms up
        for done in range(rounds):
            for case in found:
                measure(case, folder)
            starts.append(run([*command, "--output", folder / "one.npy"])[0])
            print(f"round {done + 1} of {rounds}", file=sys.stderr)
    rates = {p: rate(p, "cpu") for p in ("float32", "bfloat16")}
    lines = [
        "| model | images of a model | loader, models at once | s per model | of the floor "
        "| one process per model | DataLoader | FFCV |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in found:
        examples = sizes.subset_size(len(case.data.train.labels), case.study.alpha)
        floor = operations(case.of(), case.data, examples) / rates[case.of().precision]
        for kind, seconds in case.seconds.items():
            if not kind.startswith(("resident", "ffcv")):
                continue
            per_model = statistics.median(seconds)
            peers = [ratio(case.seconds.get(p), seconds) for p in ("process", "DataLoader", "FFCV")]
            lines.append(
                f"| {case.name} | {case.images} | {kind} | {spread(seconds)} "
                f"| {floor / per_model:.1%} | {' | '.join(peers)} |"
            )
    products = " and ".join(f"{value / 1e9:.0f} GFLOP/s {p}" for p, value in rates.items())
    lines += [
        "",
        f"Medians of {rounds} rounds in turn (smallest to largest); peers: seconds per model, and "
        f"how many times ours. One thread; matrix products: {products}. A job starts in "
        f"{spread(starts)} s (one model of the embedded study in it). {machine()}",
    ]
    return lines


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def ratio(theirs: list[float] | None, mine: list[float]) -> str:
    if theirs is None:
        return "-"
    pairs = [a / b for a, b in zip(theirs, mine, strict=True)]
    return f"{statistics.median(theirs):.3g}, **{statistics.median(pairs):.3g}x**"


def machine() -> str:
    hardware = artifacts.origin()["hardware"]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    when = time.strftime("%Y-%m-%d", time.gmtime())
    found = f", FFCV {version('ffcv')}" if has_ffcv() else ""
    versions = f"torch {torch.__version__}, Python {platform.python_version()}{found}"
    return f"{hardware['cpu']}, {hardware['cores']} cores{gpu}; {versions}; {when}."


def write(lines: list[str]) -> None:
    """Put the table between its marks in docs/training.md."""
    start, end = "<!-- cpu -->", "<!-- /cpu -->"
    before, _, rest = PAGE.read_text().partition(start)
    after = rest.partition(end)[2]
    PAGE.write_text("\n".join([before + start, *lines, end + after]))
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", default=str(ROOT / "data/cifar10.tar.xz"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    write(on_cpu(options.images, options.rounds))


if __name__ == "__main__":
    main()
