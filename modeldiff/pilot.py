"""What a study's training will cost, from a pilot: a few models of each algorithm, timed.

The pilot calls what a training job calls, so that it measures what a job does. On a CPU it counts
CPU time (user and system, all threads), which other work on the machine disturbs little; on a GPU
time as it passes.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modeldiff import dataset, training
from modeldiff.dataset import Dataset
from modeldiff.errors import Damaged
from modeldiff.study import Study

LEAST = 5  # models of the pilot, where they are trained one after another


def measure(study: Study, *, device: str, models: int | None = None) -> dict[str, Any]:
    """Seconds per model and per job of each algorithm, and what the whole study takes.

    models: of each algorithm in the pilot; None: as many as are trained at once, at least 5.
    Seconds are CPU seconds, or GPU seconds with device "cuda". Datamodels and what follows are
    not in it.
    """
    started = time.process_time()  # what importing and checking took: each job does it, too
    config = study.config["training"]
    most = models or max(config["width"], LEAST)
    algorithms = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, reading = _data(study, folder)
        first = next(iter(study.algorithms))
        training.train_shard(study, first, data, range(1), folder / "warm.npy", device=device)
        for own in study.algorithms:
            algorithms[own] = _algorithm(study, own, data, most, folder, device)
    total = sum(cost["seconds"] for cost in algorithms.values())
    full = study.config["verification"]["models"]
    jobs = [len(list(study.shards(n))) for n in (study.models, full)]
    starts = (started + reading) * sum(jobs) * len(algorithms)
    return {
        "device": "GPU" if device == "cuda" else "CPU",
        "algorithms": algorithms,
        "seconds_per_start": started + reading,
        "training_jobs": sum(jobs) * len(algorithms),
        "hours": (total + starts) / 3600,
        "seconds_per_job": max(c["seconds_per_model"] for c in algorithms.values())
        * min(config["shard"], study.models)
        + started
        + reading,
        "disk_mb": _disk(study, data, algorithms) / 1e6,
        "models_for_lds": None,  # needs a learning curve: LDS at several numbers of models
    }


def _data(study: Study, folder: Path) -> tuple[Dataset, float]:
    """The data set, prepared for this if it was not before, and the seconds that reading takes."""
    key, manifest = study.key("dataset"), Path(study.folder) / "dataset/manifest.json"
    try:
        dataset.read_manifest(manifest, key)
    except Damaged:
        manifest = folder / "manifest.json"
        dataset.prepare(study, manifest)
    start = time.process_time()
    return dataset.read(manifest, key), time.process_time() - start


def _algorithm(
    study: Study, name: str, data: Dataset, most: int, folder: Path, device: str
) -> dict[str, Any]:
    """Cost of one algorithm's models, on subsets and on all training images."""
    clock = time.monotonic if device == "cuda" else time.process_time
    full, shard = study.config["verification"]["models"], study.config["training"]["shard"]
    found: dict[str, Any] = {}
    for what, job, models in (
        ("model", training.train_shard, study.models),
        ("full_model", training.train_full, full),
    ):
        count, output = min(most, shard, models), folder / f"{name}-{what}"
        start = clock()
        job(study, name, data, range(count), output, device=device)
        found[f"seconds_per_{what}"] = (clock() - start) / count
        found[f"{what}s_of_pilot"] = count
    found["bytes_per_full_model"] = round(output.stat().st_size / count)
    found["seconds"] = (
        found["seconds_per_model"] * study.models + found["seconds_per_full_model"] * full
    )
    return found


def _disk(study: Study, data: Dataset, algorithms: dict[str, Any]) -> float:
    """Bytes of a study's results, datamodels counted as dense; the page is not in it."""
    n_train, n_targets = len(data.train.labels), len(data.targets)
    margins = 2 * study.models * n_targets * 4  # shards, and gathered
    full = study.config["verification"]["models"]
    images = data.train.images.nbytes + data.test.images.nbytes
    total = study.n_subsets * n_train / 8 + images
    for cost in algorithms.values():
        total += margins + n_targets * n_train * 4 + full * cost["bytes_per_full_model"]
    directions = study.config["comparison"]["directions"]
    return total + len(study.pairs) * 2 * directions * (n_train + n_targets) * 4


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The costs for people."""
    unit = f"{found['device']} seconds"
    for name, cost in found["algorithms"].items():
        yield (
            f"  {name}: {cost['seconds_per_model']:.3g} {unit} per model, "
            f"{cost['seconds_per_full_model']:.3g} on all training images "
            f"(of {cost['models_of_pilot']} and {cost['full_models_of_pilot']} models)"
        )
    yield f"  {found['seconds_per_start']:.2g} CPU seconds for a job to start"
    yield (
        f"  training costs {found['hours']:.3g} {found['device']}-hours in "
        f"{found['training_jobs']:,} jobs of up to {found['seconds_per_job'] / 60:.2g} minutes; "
        f"results take up to {found['disk_mb']:,.0f} MB"
    )
    yield "  models that a wanted LDS needs: not estimated; compare LDS and ceiling on the page"
