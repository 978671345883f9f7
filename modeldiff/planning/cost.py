"""What a study will cost, from short measurements of each algorithm and of the later steps.

Training is measured in the same way as in a calibration. On a CPU, time is CPU time (user and
system, all threads), which other work on the machine hardly affects; on a GPU it is wall time.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
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
from modeldiff.mining import budget
from modeldiff.planning import gradient_cost, other_ways
from modeldiff.study import Study, stages
from modeldiff.study.on_data import on_data
from modeldiff.study.stages import STAGES
from modeldiff.training import calibration
from modeldiff.training.trained_models import TrainedModels

MOST_MODELS = 2000  # that regression and comparison are measured on
MOST_TARGETS = 1000
SHOWN = 512  # images that a model is shown to measure how long that takes
PERMUTATIONS = (19, 39)


def measure(study: Study, *, device: str) -> dict[str, Any]:
    """Seconds per model and per job of each algorithm, and what the whole study takes.

    Seconds are CPU seconds, or GPU seconds with device "cuda".
    """
    started = time.process_time()  # importing and checking, which every job does as well
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, reading = _data(study, folder)
        study = on_data(study, data.columns, data.alphabet, data.train.images)
        start = started + reading
        algorithms: dict[str, dict[str, Any]] = {}
        for algorithm in study.trained:
            if algorithm in study.fitted or study.full_models:
                algorithms[algorithm] = _algorithm(study, algorithm, data, folder, device, start)
        clock = _clock(device)
        beside = other_ways.seconds(study, data, device, clock)
        after = _after(study, data) + sum(beside.values())
    count = 0
    seconds = 0.0
    longest = 0.0
    for cost in algorithms.values():
        count += cost["jobs"]
        seconds += cost["seconds"]
        longest = max(longest, cost["longest"])
        if cost["gradients"]:
            seconds += cost["gradients"]["seconds"]
    training = seconds + count * start
    # The data set, subsets and report; margins, datamodels and predictions; comparison and effects.
    others = 3 + 3 * len(algorithms) + 2 * len(study.pairs)
    others += sum(
        len(STAGES[name].of(study))
        for name in (
            *("gradients", "proposals", "looks", "proof", "mined", "removal"),
            *("occlusion", "baselines", "unlearning"),
        )
    )
    return {
        "device": "GPU" if device == "cuda" else "CPU",
        "algorithms": algorithms,
        "seconds_per_start": start,
        "training_jobs": count,
        "baselines": beside,
        "hours": training / 3600,
        "cpu_hours_after": (after + others * start) / 3600,
        "seconds_per_job": start + longest,
        "disk_mb": _disk(study, data, algorithms) / 1e6,
    }


def _clock(device: str) -> Callable[[], float]:
    """What seconds are counted by."""
    return time.monotonic if device == "cuda" else time.process_time


def _data(study: Study, folder: Path) -> tuple[Dataset, float]:
    """The data set, prepared now if it was not before, and the seconds that reading takes."""
    key = study.key("dataset")
    manifest = Path(study.folder) / stages.path("dataset")
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
    clock = _clock(device)
    tried = calibration.widths(study, name, data, device, clock)
    width = calibration.fastest(tried)
    measured = sharding.Calibration(width, tried[width], start)
    measured.write(folder / stages.path("calibration", name), study.key("calibration", name))
    retraining = tried[width] / study.alpha * sharding.examples_share(study, "retraining")
    seconds = {"training": tried[width], "full": 0.0, "retraining": retraining}
    given = name in study.with_checkpoints
    if most := 0 if given else min(width, study.full_models):
        seconds["full"], _ = calibration.seconds(study, name, data, most, device, clock, full=True)
    jobs = []  # seconds of each
    for stage in seconds:
        for names in STAGES[stage].of(study):
            if STAGES[stage].algorithm(names) == name:
                for models in sharding.cut(study, stage, names, folder):
                    jobs.append(seconds[stage] * len(models))
    untrained = TrainedModels.untrained(
        study.algorithms[name], data.train.images.shape[1:], len(data.classes), device
    )
    by_gradients = None
    if name in study.differentiated:
        by_gradients = asdict(gradient_cost.measure(study, untrained, data, clock))
    return {
        "gradients": by_gradients,
        "seconds_per_model": seconds["training"],
        "seconds_per_full_model": seconds["full"],
        "seconds_mining": _mining(study, name, data, untrained, seconds["full"], clock),
        "width": width,
        "bytes_per_full_model": sum(t.nbytes for t in untrained.state.values()),
        "jobs": len(jobs),
        "longest": max(jobs),
        "seconds": sum(jobs),
    }


def _mining(
    study: Study,
    name: str,
    data: Dataset,
    untrained: TrainedModels,
    per_model: float,
    clock: Callable[[], float],
) -> float:
    """Seconds to find and prove features of all proposals with an algorithm's models, were they all
    proved; per_model: seconds to train one on all training images.
    """
    pairs = sum(name in pair for pair in study.mined)
    if not pairs:
        return 0.0
    images = data.train.images[:SHOWN]
    untrained.logits(images)  # what is done once
    start = clock()
    untrained.logits(images).cpu()
    per_image = (clock() - start) / len(images)
    shape = data.train.images.shape
    proving = study.verification.models - study.mine.models
    shown = study.mine.models * budget.to_find(study.mine, (shape[1], shape[2], shape[3]))
    shown += proving * budget.to_prove()
    each = per_image * shown + 2 * study.mine.removal_models * per_model
    return pairs * study.proof.all_proposals * each


def _after(study: Study, data: Dataset) -> float:
    """CPU seconds of fitting and comparing all datamodels, on margins that are noise.

    Measured on some models and targets, and assumed to be proportional to either (the map of
    classes takes more: its time grows with the square of the number of models). How long a lasso
    takes depends on the margins, too. Scores from elsewhere cost next to nothing.
    """
    clock = time.process_time
    if not study.fitted:
        return 0.0
    all_models = study.models - study.evaluation_models
    all_targets = len(data.targets)
    models = min(all_models, MOST_MODELS)
    targets = min(all_targets, MOST_TARGETS)
    masks = subsets.draw(len(data.train.labels), range(models), study.alpha, study.seed)
    noise = np.random.default_rng(study.seed).normal(size=(2, models, targets))
    a, b = noise.astype(np.float32)
    start = clock()
    # As many numbers as gradients would give, as they take as long.
    prior = np.zeros((targets, masks.shape[1])) if study.datamodels.prior else None
    weights_a = fit(masks, a, prior=prior, **study.regression).weights
    weights_b = fit(masks, b, prior=prior, **study.regression).weights
    fitting = (clock() - start) / 2 * len(study.fitted)
    directions = min(study.comparison.directions, targets)
    start = clock()
    if study.comparison.method == "residual":
        compare(weights_a, weights_b, directions=directions, rows=study.comparison.rows)
        compare(weights_b, weights_a, directions=directions, rows=study.comparison.rows)
        comparing = clock() - start
    else:
        classes = data.test.labels[data.targets[:targets]], data.train.labels
        times = []
        for permutations in PERMUTATIONS:
            start = clock()
            contrast(
                masks,
                a,
                b,
                directions=directions,
                permutations=permutations,
                penalty=study.comparison.penalty,
                classes=classes,
            )
            times.append(clock() - start)
        # Linear in the number of permutations.
        each = (times[1] - times[0]) / (PERMUTATIONS[1] - PERMUTATIONS[0])
        comparing = times[0] + each * (study.comparison.permutations - PERMUTATIONS[0])
    scale = all_models * all_targets / (models * targets)
    return scale * (fitting + comparing * len(study.pairs))


def _disk(study: Study, data: Dataset, algorithms: dict[str, Any]) -> float:
    """Bytes of a study's results without the page; datamodels are counted as dense."""
    n_train = len(data.train.labels)
    n_targets = len(data.targets)
    margins = 2 * study.models * n_targets * 4  # shards, and gathered
    images = data.train.images.nbytes + data.test.images.nbytes
    total = study.n_subsets * n_train / 8 + images
    total += len(study.fitted) * margins + len(study.compared) * n_targets * n_train * 4
    total += study.full_models * sum(cost["bytes_per_full_model"] for cost in algorithms.values())
    directions = study.comparison.directions
    return total + len(study.pairs) * 2 * directions * (n_train + n_targets) * 4


def lines(costs: dict[str, Any]) -> Iterator[str]:
    """The costs for people; costs: what `measure` returned."""
    unit = f"{costs['device']} seconds"
    for name, cost in costs["algorithms"].items():
        full = cost["seconds_per_full_model"]
        more = f"; {full:.3g} on all training images" if full else ""
        yield (
            f"  {name}: {cost['seconds_per_model']:.3g} {unit} per model, {cost['width']} at once"
            f"{more}"
        )
        if cost["gradients"]:
            held = cost["gradients"]["bytes"] / 1e6
            yield (
                f"  {name}: {cost['gradients']['seconds']:.3g} {unit} for gradients, "
                f"up to {held:,.0f} MB"
            )
    yield f"  {costs['seconds_per_start']:.2g} CPU seconds for a job to start"
    mining = sum(cost["seconds_mining"] for cost in costs["algorithms"].values())
    if mining:
        yield f"  finding features, if all that is proposed is proved: about {mining:.3g} {unit}"
    if costs["baselines"]:
        by_method = [f"{name} {each:.2g}" for name, each in costs["baselines"].items()]
        total = sum(costs["baselines"].values())
        yield f"  other ways to compare: up to about {total:.2g} {unit} ({', '.join(by_method)})"
    yield f"  everything after training: about {costs['cpu_hours_after']:.3g} CPU-hours"
    yield (
        f"  training costs {costs['hours']:.3g} {costs['device']}-hours in "
        f"{costs['training_jobs']:,} jobs of up to {costs['seconds_per_job'] / 60:.2g} minutes; "
        f"results take up to {costs['disk_mb']:,.0f} MB"
    )
