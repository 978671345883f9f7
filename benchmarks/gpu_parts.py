"""What is measured on a GPU, a function for each part; `gpu.py` runs them.

Each is given `Options` and yields rows, plain data, as soon as they are measured. With `tiny` it
runs at a thousandth of the size, where there is no GPU.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from floors import operations, rate
from regression_paper import paper
from training import FULL, ROOT, prepared, small

from modeldiff import subsets, training, verification
from modeldiff.attribution import influence_step
from modeldiff.core import artifacts
from modeldiff.dataset import Dataset
from modeldiff.proof import step
from modeldiff.study import Algorithm, Study
from modeldiff.study.validation import parse
from modeldiff.training import engine, nets

SGD = ROOT / "config" / "cifar10-sgd.yaml"
SETTINGS = ("high_noise", "middle_noise", "low_noise")
PAPER_SIZE = (50_000, 100_000, 10_000)  # examples, models, targets
Row = dict[str, Any]


@dataclass
class Options:
    """device: "cuda" or "cpu". images: an archive. work: what parts share; may be lost."""

    device: str
    images: str
    work: Path
    out: Path
    end: float  # seconds since the epoch: no model is begun after it
    tiny: bool

    def left(self) -> float:
        """Seconds."""
        return self.end - time.time()


def study_of(config: Row, options: Options) -> Study:
    """A study of the carried images, all of them: half of the test images are its targets."""
    images = {"name": "folder", "path": options.images, "size": 32, "verification_share": 0.5}
    for algorithm in config["algorithms"].values():
        if options.tiny:
            algorithm |= {"epochs": 1, "batch": 50}
    return Study.load(config | {"dataset": images})


def data_of(study: Study, options: Options, name: str) -> Dataset:
    """Its data set, prepared once."""
    folder = options.work / name
    folder.mkdir(parents=True, exist_ok=True)
    return prepared(study, folder, beton=False)


def alike(options: Options) -> Iterator[Row]:
    """The tests' rooms on the device and on the CPU: the largest differences, relative."""
    command = [sys.executable, str(ROOT / "tests" / "on_device.py"), options.device]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for room, arrays in json.loads(done.stdout.splitlines()[-1]).items():
        for name, difference in arrays.items():
            yield {"room": room, "what": name, "difference": difference}


def speed(options: Options) -> Iterator[Row]:
    """Seconds per model of the full-scale recipes on halves, predictions of targets included."""
    study = study_of(parse(FULL), options)
    data = data_of(study, options, "cifar10")
    rates = {kind: rate(kind, options.device) for kind in ("bfloat16", "float32")}
    if options.tiny:
        nets.BACKEND = "eager"
    for recorded, compiled in ((False, False), (True, False), (True, True)):
        for name, algorithm in study.algorithms.items():
            if options.tiny and name == "resnet9":
                continue
            images = int(len(data.train.labels) * study.alpha)
            operations_of_one = operations(algorithm, data, images)
            row = {"recipe": name, "recorded": recorded, "compiled": compiled}
            row |= {"rate": rates[algorithm.precision], "operations": operations_of_one}
            try:
                with recording(recorded):
                    row |= seconds_per_model(study, name, data, options.device, compiled=compiled)
            except (RuntimeError, AssertionError) as error:  # torch's: the others are measured yet
                row["failed"] = " ".join(str(error).split())[:300]
            yield row


@contextmanager
def recording(wanted: bool) -> Iterator[None]:
    """Whether steps are recorded as CUDA graphs."""
    before = engine.recordable

    def never(algorithm: Algorithm, device: str) -> bool:
        return False

    engine.recordable = before if wanted else never
    try:
        yield
    finally:
        engine.recordable = before


def seconds_per_model(
    study: Study, name: str, data: Dataset, device: str, *, compiled: bool
) -> Row:
    """Of models on halves, after the first, which warms up."""
    models = 3 if device == "cuda" else 2
    masks = subsets.draw(len(data.train.labels), range(models), study.alpha, study.seed)
    members = []
    for number, mask in enumerate(masks):
        members.append(training.Member((study.seed, name, number), np.flatnonzero(mask)))
    images = data.test.images[data.targets]
    labels = data.test.labels[data.targets]
    groups = engine.train(
        study.algorithms[name],
        data.train,
        len(data.classes),
        members,
        width=1,
        device=device,
        compiled=compiled,
    )
    seconds, predicting, accuracy = [], [], []
    for _ in members:
        start = time.perf_counter()
        trained = next(groups)
        synchronised(device)
        middle = time.perf_counter()
        predicted = trained.logits(images).argmax(2)[0].cpu().numpy()
        predicting.append(time.perf_counter() - middle)
        seconds.append(time.perf_counter() - start)
        accuracy.append(float((predicted == labels).mean()))
    return {
        "seconds": seconds,
        "predicting": predicting,
        "accuracy": accuracy,
    }


def synchronised(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def proof(options: Options) -> Iterator[Row]:
    """Low noise against high noise on all images: gradients propose, opposite halves prove."""
    config = parse(SGD)
    config["proof"] = {"proposers": 3, "proposals": 2, "models": 3, "rounds": 1}
    for algorithm in config["algorithms"].values():
        algorithm["precision"] = "bfloat16"
        if options.tiny:
            algorithm["model"] = {"name": "resnet9", "width": 8}
    if options.tiny:
        config["proof"] = {"proposers": 1, "proposals": 1, "models": 2, "rounds": 1}
    study = study_of(config, options)
    data = data_of(study, options, "cifar10")
    pair = study.pairs[0]
    where = {"device": options.device}
    gradients = []
    for name in pair:
        start = time.perf_counter()
        full = options.work / f"proposers-{name}.npz"
        if not full.exists():
            models = range(study.proof.proposers)
            training.train_full(study, name, data, models, full, **where)
        trained = time.perf_counter()
        path = options.work / f"gradients-{name}.npz"
        influence_step.write(study, name, data, [full], path, **where)
        gradients.append(path)
        seconds = {"training": trained - start, "gradients": time.perf_counter() - trained}
        yield {"algorithm": name} | seconds
    proposals = options.work / "proposals.npz"
    step.write_proposals(study, pair, data, (gradients[0], gradients[1]), proposals)
    shards = []
    for name in pair:
        start = time.perf_counter()
        path = options.work / f"retrained-{name}.npy"
        models = range(study.proof.retrained(1))
        step.retrain(study, pair, name, 1, data, proposals, models, path, **where)
        shards.append(path)
        yield {"algorithm": name, "retraining": time.perf_counter() - start}
    table = options.work / "proof.csv"
    step.write(study, pair, 1, proposals, shards, table)
    yield {"proofs": pd.read_csv(table).astype(object).to_dict("records")}


def sgd(options: Options) -> Iterator[Row]:
    """Case study C: models of three settings on all images, one of each in turn while time lasts.

    What the patches do to each is written into OUT/sgd.npz.
    """
    config = parse(SGD)
    for algorithm in config["algorithms"].values():
        algorithm["precision"] = "bfloat16"
        if options.tiny:
            algorithm["model"] = {"name": "resnet9", "width": 8}
    study = study_of(config, options)
    data = data_of(study, options, "cifar10")
    files: dict[str, list[Path]] = {name: [] for name in SETTINGS}
    longest = 0.0
    for number in range(1 if options.tiny else 500):
        begun = time.perf_counter()
        if options.left() < longest + 15 and number > 0:
            break
        row: Row = {"model": number}
        for name in SETTINGS:
            path = options.work / f"{name}-{number}.npz"
            if not path.exists():
                start = time.perf_counter()
                one = range(number, number + 1)
                training.train_full(study, name, data, one, path, device=options.device)
                row[name] = time.perf_counter() - start
            files[name].append(path)
        longest = max(longest, time.perf_counter() - begun)
        yield row
    moved: dict[str, np.ndarray] = {}
    for name in SETTINGS:
        path = options.work / f"{name}-predictions.npz"
        verification.predict(study, name, data, files[name], path, device=options.device)
        arrays = artifacts.arrays(path, study.key("predictions", name))
        for patch, values in arrays.items():
            moved[f"{name}.{patch}"] = values
    with (options.out / "sgd.npz").open("wb") as file:
        np.savez(file, **moved)
    yield {"predicted": {name: len(paths) for name, paths in files.items()}}


def regression(options: Options) -> Iterator[Row]:
    """The lasso at growing sizes up to the paper's, while the next is expected to fit the time."""
    sizes = [(10_000, 20_000, 2_048), (20_000, 40_000, 4_096), PAPER_SIZE]
    if options.tiny:
        sizes = [(150, 400, 20), (300, 600, 40)]
    row: Row = {}
    for size in sizes:
        if row and not options.tiny and expected(size, row) > options.left():
            return
        row = {"size": size} | paper(size, options.device)
        yield row


def expected(size: tuple[int, int, int], measured: Row) -> float:
    """Seconds of the sums and the fit at another size: they grow with the operations."""
    seconds = measured["seconds"]["X'X"] + measured["seconds"]["fit"]
    return seconds * path_operations(size) / path_operations(measured["size"])


def path_operations(size: tuple[int, int, int]) -> float:
    """Operations of X'X, X'y twice, and 20 dense gradients at each of 100 penalties."""
    examples, models, targets = size
    sums = models * examples**2 + 4 * models * examples * targets
    gradients = 100 * 20 * 2 * examples**2 * targets
    return sums + gradients


def memory(options: Options) -> Iterator[Row]:
    """A shard of a stack that does not fit into what is left of the memory, and one that does."""
    # 12.6 million parameters each: 16 of them, their gradients and two moments are 3.2 GB.
    recipe = {
        "model": {"name": "mlp", "hidden": 32 if options.tiny else 4096},
        "preprocess": [{"name": "normalise", "mean": [0.5] * 3, "sd": [0.25] * 3}],
        "epochs": 20,
        "batch": 25,
        "optimizer": {"name": "adamw", "lr": 0.0005, "weight_decay": 0.01},
    }
    study = small(options.images, 32, 20 if options.tiny else 200, None, recipe).at_width(16)
    data = data_of(study, options, "memory")
    rows = {}
    for name, hold in (("free", unlimited), ("full", full)):
        with tempfile.TemporaryDirectory() as folder, hold(options.device):
            path = Path(folder) / "margins.npy"
            training.train_shard(study, "a", data, range(16), path, device=options.device)
            rows[name] = np.load(path)
            at_once = artifacts.record(path)["trained_at_once"]
        difference = float(np.abs(rows[name] - rows["free"]).max())
        yield {"memory": name, "trained_at_once": at_once, "difference": difference}


@contextmanager
def unlimited(device: str) -> Iterator[None]:
    yield


@contextmanager
def full(device: str) -> Iterator[None]:
    """All of the GPU's memory but 2 GiB is taken; a CPU stands in that takes 4 models at most."""
    if device == "cuda":
        torch.cuda.empty_cache()
        free = torch.cuda.mem_get_info()[0]
        held = torch.empty(free - 2 * 2**30, dtype=torch.uint8, device=device)
        yield
        del held
        torch.cuda.empty_cache()
        return
    before = engine.fit

    def limited(step: Any, loader: Any, n_train: int, group: Any, *rest: Any) -> Any:
        if len(group) > 4:
            raise torch.OutOfMemoryError("a stand-in for a full GPU")
        return before(step, loader, n_train, group, *rest)

    engine.fit = limited
    yield
    engine.fit = before


PARTS = {part.__name__: part for part in (alike, speed, proof, sgd, regression, memory)}
