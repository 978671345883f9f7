"""What a study will cost, from a short measurement of each algorithm and of what follows.

Trainings are measured as a calibration measures them. On a CPU it counts CPU time (user and system,
all threads), which other work on the machine disturbs little; on a GPU time as it passes.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import dataset, subsets
from modeldiff.comparison.contrast import contrast
from modeldiff.comparison.residual import compare
from modeldiff.core.errors import CorruptArtifact
from modeldiff.datamodels import fit
from modeldiff.dataset import Dataset
from modeldiff.jobs import sharding
from modeldiff.study import Study, stages
from modeldiff.study.stages import STAGES
from modeldiff.training import calibration, engine

MOST = (2000, 1000)  # models and targets that regression and comparison are measured on
PERMUTATIONS = (19, 39)
# What each stage trains.
TRAINED = {"training": "model", "full": "full_model", "retraining": "retrained_model"}


def measure(study: Study, *, device: str) -> dict[str, Any]:
    """Seconds per model and per job of each algorithm, and what the whole study takes.

    Seconds are CPU seconds, or GPU seconds with device "cuda".
    """
    started = time.process_time()  # what importing and checking took: each job does it, too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, reading = _data(study, folder)
        start = started + reading
        algorithms = {
            own: _algorithm(study, own, data, folder, device, start)
            for own in study.trained
            if own in study.fitted or study.full_models
        }
        after = _after(study, data)
    count = sum(cost["jobs"] for cost in algorithms.values())
    training = sum(cost["seconds"] for cost in algorithms.values()) + count * start
    # The data set, subsets and report; margins, datamodels and predictions; comparison and effects.
    others = 3 + 3 * len(algorithms) + 2 * len(study.pairs)
    others += sum(len(STAGES[name].of(study)) for name in ("gradients", "proposals", "proof"))
    return {
        "device": "GPU" if device == "cuda" else "CPU",
        "algorithms": algorithms,
        "seconds_per_start": start,
        "training_jobs": count,
        "hours": training / 3600,
        "cpu_hours_after": (after + others * start) / 3600,
        "seconds_per_job": start + max((c["longest"] for c in algorithms.values()), default=0),
        "disk_mb": _disk(study, data, algorithms) / 1e6,
    }


def _data(study: Study, folder: Path) -> tuple[Dataset, float]:
    """The data set, prepared for this if it was not before, and the seconds that reading takes."""
    key, manifest = study.key("dataset"), Path(study.folder) / stages.path("dataset")
    try:
        dataset.read_manifest(manifest, key)
    except CorruptArtifact:
        manifest = folder / stages.path("dataset")
        dataset.prepare(study, manifest)
    start = time.process_time()
    return dataset.read(manifest, key), time.process_time() - start


def _algorithm(
    study: Study, name: str, data: Dataset, folder: Path, device: str, start: float
) -> dict[str, Any]:
    """Cost of one algorithm's models, on subsets and on all training images."""
    clock = time.monotonic if device == "cuda" else time.process_time
    tried = calibration.widths(study, name, data, device, clock)
    width = calibration.fastest(tried)
    found = sharding.Calibration(width, tried[width], start)
    found.write(folder / stages.path("calibration", name), study.key("calibration", name))
    # A retrained model learns from half of the images, whatever the share of a subset.
    seconds = {"training": tried[width], "full": 0.0, "retraining": tried[width] / 2 / study.alpha}
    if most := min(width, study.full_models):
        seconds["full"], _ = calibration.seconds(study, name, data, most, device, clock, full=True)
    cuts = {
        "training": list(sharding.cut(study, "training", name, folder)),
        "full": list(sharding.cut(study, "full", name, folder)),
        "retraining": [],
    }
    for pair in study.proved:
        if name in pair:
            cuts["retraining"] += sharding.cut(study, "retraining", name, folder, pair)
    module = engine.architecture(
        study.algorithms[name], data.train.images.shape[1:], len(data.classes)
    )
    return {
        **{f"seconds_per_{TRAINED[stage]}": seconds[stage] for stage in TRAINED},
        "width": width,
        "bytes_per_full_model": sum(t.nbytes for t in module.state_dict().values()),
        "jobs": sum(map(len, cuts.values())),
        "longest": max(seconds[stage] * len(models) for stage in TRAINED for models in cuts[stage]),
        "seconds": sum(seconds[stage] * len(models) for stage in TRAINED for models in cuts[stage]),
    }


def _after(study: Study, data: Dataset) -> float:
    """CPU seconds of fitting and comparing all datamodels, on margins that are noise.

    Measured on up to `MOST` models and targets, and taken to grow in proportion to either. How long
    a lasso takes depends on the margins themselves. Scores from elsewhere cost next to nothing.
    """
    clock, config = time.process_time, study.config["comparison"]
    if not study.fitted:
        return 0.0
    real = study.models - study.evaluation_models, len(data.targets)
    models = min(real[0], MOST[0])
    targets = min(real[1], MOST[1])
    masks = subsets.draw(len(data.train.labels), range(models), study.alpha, study.seed)
    noise = np.random.default_rng(study.seed).normal(size=(2, models, targets))
    a, b = noise.astype(np.float32)
    start = clock()
    fits = [fit(masks, rows, **study.regression).weights for rows in (a, b)]
    fitting = (clock() - start) / 2 * len(study.fitted)
    directions, start = min(config["directions"], targets), clock()
    if config["method"] == "residual":
        compare(*fits, directions=directions, rows=config["rows"])
        compare(*fits[::-1], directions=directions, rows=config["rows"])
        comparing = clock() - start
    else:
        times = []
        for permutations in PERMUTATIONS:
            start = clock()
            contrast(
                masks,
                a,
                b,
                directions=directions,
                permutations=permutations,
                penalty=config["penalty"],
            )
            times.append(clock() - start)
        one = (times[1] - times[0]) / (PERMUTATIONS[1] - PERMUTATIONS[0])
        comparing = times[0] + one * (config["permutations"] - PERMUTATIONS[0])
    scale = real[0] * real[1] / (models * targets)
    return scale * (fitting + comparing * len(study.pairs))


def _disk(study: Study, data: Dataset, algorithms: dict[str, Any]) -> float:
    """Bytes of a study's results, datamodels counted as dense; the page is not in it."""
    n_train, n_targets = len(data.train.labels), len(data.targets)
    margins = 2 * study.models * n_targets * 4  # shards, and gathered
    images = data.train.images.nbytes + data.test.images.nbytes
    total = study.n_subsets * n_train / 8 + images
    total += len(study.fitted) * margins + len(study.compared) * n_targets * n_train * 4
    total += study.full_models * sum(cost["bytes_per_full_model"] for cost in algorithms.values())
    directions = study.config["comparison"]["directions"]
    return total + len(study.pairs) * 2 * directions * (n_train + n_targets) * 4


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The costs for people."""
    unit = f"{found['device']} seconds"
    for name, cost in found["algorithms"].items():
        full = cost["seconds_per_full_model"]
        more = f"; {full:.3g} on all training images" if full else ""
        yield (
            f"  {name}: {cost['seconds_per_model']:.3g} {unit} per model, {cost['width']} at once"
            f"{more}"
        )
    yield f"  {found['seconds_per_start']:.2g} CPU seconds for a job to start"
    yield (f"  all that follows training: about {found['cpu_hours_after']:.3g} CPU-hours")
    yield (
        f"  training costs {found['hours']:.3g} {found['device']}-hours in "
        f"{found['training_jobs']:,} jobs of up to {found['seconds_per_job'] / 60:.2g} minutes; "
        f"results take up to {found['disk_mb']:,.0f} MB"
    )
