"""Small studies with all their results, made by the real rooms; one of them is hostile."""

from pathlib import Path

import numpy as np

from modeldiff import comparison, dataset, margins, occlusion, subsets, training, verification
from modeldiff.baselines import Pool
from modeldiff.baselines import step as baselines
from modeldiff.datamodels import step
from modeldiff.dataset import Raw, digits
from modeldiff.jobs import sharding
from modeldiff.study import Study
from modeldiff.verification import candidates

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "{{ 7 * 7 }} & $x_1$",
    "<!--<script>",
    "\u2028'\\\"",
    "<b>bold</b>",
    "javascript:alert(4)",
    "naïve 猫",
    "",
)


def hostile() -> Raw:
    """The digits, under names that want to be markup."""
    raw = digits()
    return Raw(raw.train, raw.test, HOSTILE)


def distances(pool: Pool) -> np.ndarray:
    """A baseline of one's own: how far two models' logits are apart on each image."""
    return np.linalg.norm(pool.logits[:, None] - pool.logits[None], axis=3)


def build(config: dict, folder: Path) -> Path:
    """Run every room but the report; returns `study.json` in the results folder."""
    study = Study.load(config | {"results": str(folder)})
    at = Path(study.folder)
    study.write(at / "study.json")
    dataset.prepare(study, at / "dataset/manifest.json")
    study, data = dataset.opened(study, at / "dataset/manifest.json")
    n = len(data.train.labels)
    masks, drawn = at / "subsets/masks.npy", range(study.n_subsets)
    subsets.write(masks, n, drawn, study.alpha, study.seed, study.key("subsets"))
    for name in study.algorithms:
        _algorithm(study, name, data, masks, at / name)
    for a, b in study.pairs:
        fits = [(at / x / "datamodels.npz", study.key("datamodels", x)) for x in (a, b)]
        weights = tuple(step.read(*fit).weights for fit in fits)
        pair = at / f"{a}-vs-{b}"
        models = masks, at / a / "margins.npy", at / b / "margins.npy"
        classes = data.test.labels[data.targets], data.train.labels
        compared = pair / "comparison.npz"
        comparison.write(study, (a, b), weights, data.targets, classes, compared, models)
        moved = {x: at / x / "predictions.npz" for x in (a, b) if study.shown}
        verification.write(study, (a, b), moved, pair / "effects.csv")
        models = [*(at / a).glob("full/*.npz"), *(at / b).glob("full/*.npz")]
        if study.occluded:
            marks = pair / "occlusion.npz"
            occlusion.write(study, (a, b), data, models, compared, marks, device="cpu")
        if study.with_baselines:
            baselines.write(study, (a, b), data, models, pair / "baselines.csv", device="cpu")
        if study.candidates:
            manifest, trials = (
                at / "dataset/manifest.json",
                (at / a / "trials.npz", at / b / "trials.npz"),
            )
            candidates.propose(study, (a, b), manifest, trials, compared, pair / "candidates.csv")
    return at / "study.json"


def _algorithm(study: Study, name: str, data: dataset.Dataset, masks: Path, at: Path) -> None:
    shards = []
    for models in sharding.cut(study, "training", (name,), at.parent):
        shards.append(at / f"shards/{models.start}-{models.stop}.npy")
        training.train_shard(study, name, data, models, shards[-1], device="cpu")
    margin_key = study.key("margins", name)
    margins.gather(shards, study.key("training", name), at / "margins.npy", margin_key, data.digest)
    fit = at / "datamodels.npz"
    n = len(data.train.labels)
    step.write(step.Regression(study, name, n, masks, at / "margins.npy"), fit, device="cpu")
    full = []
    for models in sharding.cut(study, "full", (name,), at.parent):
        full.append(at / f"full/{models.start}-{models.stop}.npz")
        training.train_full(study, name, data, models, full[-1], device="cpu")
    if study.shown:
        verification.predict(study, name, data, full, at / "predictions.npz", device="cpu")
    if study.candidates:
        candidates.attempt(study, name, data, full, at / "trials.npz", device="cpu")
