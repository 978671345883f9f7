"""What finding a planted group costs by each method, and how well attributions predict.

`plain` can use what is planted in k training images, `masked` cannot (`planted.py`). Datamodels are
fitted to models on random halves, and compared as published (lasso, residuals of unit rows), by
residuals of ridge, and by the contrast; TRAK (the `traker` package) and our gradients take models
on all images. Of each method: the average precision of the planted training images, at the better
of its first two directions, and the CPU seconds of all training and computing. Training is measured
once for the largest number of models and counted in proportion for fewer.

Beside it the LDS: how well datamodels, TRAK, our gradients, and datamodels with our gradients as
their prior predict models on other halves.

    python benchmarks/power_curve.py --seeds 10 --output docs/proof.md

Rows are kept in docs/power.jsonl, so that a run that was cut goes on.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import planted
import torch
from kept_rows import KeptRows, machine, put_between_marks
from planted import Case
from proof import LEVEL, SIDES, margins_of, precision, targets_of, wilson
from scipy.stats import rankdata
from torch.utils.data import DataLoader, TensorDataset

from modeldiff import comparison, subsets
from modeldiff.attribution import trak
from modeldiff.attribution.gradients import influences
from modeldiff.datamodels import fit
from modeldiff.dataset import Images, as_float
from modeldiff.proof import of_difference
from modeldiff.training import Member, building, train
from modeldiff.training.augment import preprocess
from modeldiff.training.trained_models import TrainedModels

ROWS = Path(__file__).parents[1] / "docs" / "power.jsonl"
CASES = [("watermark", 12), ("watermark", 48), ("photos, watermark", 12)]
MODELS = (75, 200, 400, 750, 1500)  # on random halves, of each recipe
HELD_OUT = 300  # more of them, to predict
FULL = (1, 5, 10)  # on all images
PRIOR = 5  # of them, whose gradients are the prior of datamodels
FOUND = 0.9
Row = dict[str, Any]
Scores = dict[str, np.ndarray]  # of each recipe, [targets x train]


@dataclass(frozen=True)
class Attributions:
    """Scores of both recipes by models trained on all images.

    seconds: CPU seconds, training included.
    """

    method: str
    models: int
    scores: Scores
    seconds: float


def on_halves(case: Case, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Masks [models x train], margins of both recipes [models x targets], seconds per model."""
    total = MODELS[-1] + HELD_OUT
    masks = subsets.draw(len(case.train.labels), range(total), 0.5, seed)
    margins = {}
    start = time.process_time()
    for name in SIDES:
        members = [Member((seed, name, m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
        margins[name] = margins_of(case, name, members, 125)
    return masks, margins, (time.process_time() - start) / (2 * total)


def by_datamodels(
    case: Case,
    masks: np.ndarray,
    margins: dict[str, np.ndarray],
    per_model: float,
    seed: int,
    prior: Attributions,
) -> Iterator[Row]:
    """The comparisons of datamodels, by several numbers of models."""
    for models in MODELS:
        a, b = (margins[name][:models] for name in SIDES)
        some = masks[:models]
        methods: dict[str, Callable[[], tuple[np.ndarray, float]]] = {
            "lasso, unit rows, residuals (published)": partial(
                residual, some, a, b, estimator="lasso", rows="unit"
            ),
            "ridge, raw rows, residuals": partial(
                residual, some, a, b, estimator="ridge", rows="raw"
            ),
            "ridge with gradients as prior, raw rows, residuals": partial(
                residual, some, a, b, estimator="ridge", rows="raw", priors=prior.scores
            ),
            "contrast, tested": partial(contrasted, some, a, b, seed=seed),
        }
        for method, directions_of in methods.items():
            start = time.process_time()
            directions, p_value = directions_of()
            own = time.process_time() - start
            own += prior.seconds if "prior" in method else 0.0
            yield {
                "method": method,
                "models": models,
                "train_ap": best_of(case, directions),
                "p": p_value,
                "seconds": own + 2 * models * per_model,
            }


def residual(
    masks: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    estimator: str,
    rows: str,
    priors: Scores | None = None,
) -> tuple[np.ndarray, float]:
    """Directions of the published comparison, which are not tested."""
    prior_a, prior_b = (priors[name] if priors else None for name in SIDES)
    of_a = fit(masks, a, estimator=estimator, prior=prior_a).weights
    of_b = fit(masks, b, estimator=estimator, prior=prior_b).weights
    return comparison.compare(of_a, of_b, directions=2, rows=rows).directions, np.nan


def contrasted(
    masks: np.ndarray, a: np.ndarray, b: np.ndarray, *, seed: int
) -> tuple[np.ndarray, float]:
    """Directions of the contrast, and the first one's p-value."""
    found = comparison.contrast(masks, a, b, directions=2, seed=seed)
    return found.directions, float(found.p_value[0])


def best_of(case: Case, directions: np.ndarray) -> float:
    """Average precision of the planted images at the better of the first two directions."""
    return max(precision(case.train_truth, one) for one in directions[:2])


def by_gradients(case: Case, seed: int) -> Iterator[Attributions]:
    """TRAK's scores and ours."""
    for models in FULL:
        influence: Scores = {}
        predictive: Scores = {}
        theirs: Scores = {}
        seconds = {"ours": 0.0, "theirs": 0.0}
        for name in SIDES:
            start = time.process_time()
            everything = np.arange(len(case.train.labels))
            members = [Member((seed, name, "full", m), everything) for m in range(models)]
            how = case.algorithm(name), case.train, case.classes, members
            (trained,) = train(*how, width=models)
            training = time.process_time() - start
            start = time.process_time()
            ours = our_scores(case, trained)
            influence[name] = ours["influence"]
            predictive[name] = ours["predictive"]
            seconds["ours"] += training + time.process_time() - start
            start = time.process_time()
            theirs[name] = traker_scores(case, name, trained)
            seconds["theirs"] += training + time.process_time() - start
        yield Attributions("our gradients, influence", models, influence, seconds["ours"])
        yield Attributions("our gradients, predictive", models, predictive, seconds["ours"])
        yield Attributions("TRAK (traker)", models, theirs, seconds["theirs"])


def our_scores(case: Case, trained: TrainedModels) -> dict[str, np.ndarray]:
    """Mean influences, both kinds: [targets x train]."""
    influence, predictive = [], []
    for part in influences(trained, case.train, targets_of(case)):
        influence.append(part.values.numpy())
        predictive.append((part.values * part.wrong).numpy())
    # The targets are few: a part is of all of them and of one model.
    return {"influence": np.mean(influence, 0), "predictive": np.mean(predictive, 0)}


def traker_scores(case: Case, name: str, trained: TrainedModels) -> np.ndarray:
    """TRAK scores by its own package: [targets x train]."""
    algorithm = case.algorithm(name)
    states = []
    for model in range(len(next(iter(trained.state.values())))):
        states.append({each: tensor[model] for each, tensor in trained.state.items()})

    def loader(images: Images) -> DataLoader:
        prepared = preprocess(algorithm, torch.from_numpy(as_float(images.images)))
        return DataLoader(TensorDataset(prepared, torch.from_numpy(images.labels)), 256)

    module = building.architecture(algorithm, case.train.images.shape[1:], case.classes)
    with tempfile.TemporaryDirectory() as folder:
        return trak.scores(
            module, states, loader(case.train), loader(targets_of(case)), folder, device="cpu"
        )


def lds(scores: np.ndarray, masks: np.ndarray, margins: np.ndarray) -> float:
    """Mean over targets of the Spearman correlation of predicted and true margins."""
    predicted = rankdata(masks.astype(np.float64) @ scores.T.astype(np.float64), axis=0)
    true = rankdata(margins, axis=0)
    predicted -= predicted.mean(0)
    true -= true.mean(0)
    products = (predicted * true).sum(0)
    sizes = np.sqrt((predicted**2).sum(0) * (true**2).sum(0))
    return float(np.mean(products / sizes))


def run(kind: str, k: int, seed: int) -> dict[str, Any]:
    """One seed of a case, by all methods."""
    case = planted.case(kind, k, seed, SIDES)
    masks, margins, per_model = on_halves(case, seed)
    plain = margins["plain"]
    held_out = masks[MODELS[-1] :], plain[MODELS[-1] :]
    found: list[Row] = []
    predicts: list[Row] = []
    prior: Attributions | None = None
    for one in by_gradients(case, seed):
        of_a, of_b = (one.scores[name] for name in SIDES)
        directions = np.stack([each.examples for each in of_difference(of_a, of_b, one.method, 2)])
        common = {"method": one.method, "models": one.models}
        named = {"train_ap": best_of(case, directions), "p": np.nan, "seconds": one.seconds}
        found.append(common | named)
        # Of one recipe.
        predicts.append(common | {"lds": lds(of_a, *held_out), "seconds": one.seconds / 2})
        if (one.method, one.models) == ("our gradients, predictive", PRIOR):
            prior = one
    assert prior is not None
    found = [*by_datamodels(case, masks, margins, per_model, seed, prior), *found]
    by_ridge = {"ridge datamodels": None, f"the same, prior of {PRIOR} models": prior}
    for method, given in by_ridge.items():
        for models in MODELS:
            start = time.process_time()
            of_plain = given.scores["plain"] if given else None
            how = {"estimator": "ridge", "prior": of_plain}
            weights = fit(masks[:models], plain[:models], **how).weights
            spent = time.process_time() - start + models * per_model
            spent += given.seconds / 2 if given else 0.0
            row = {"method": method, "models": models, "seconds": spent}
            predicts.append(row | {"lds": lds(weights, *held_out)})
    return {"found": found, "predicts": predicts}


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown: what is found, and what is predicted."""
    found = pd.DataFrame([one | {"case": case_of(row)} for row in rows for one in row["found"]])
    lines = [
        f"| planted | method | models of each | seeds with AP >= {FOUND} (tested: and p <= {LEVEL})"
        " | AP, median | CPU seconds, median |",
        "|---|---|---|---|---|---|",
    ]
    for (case, method, models), group in found.groupby(["case", "method", "models"], sort=False):
        hits = (group.train_ap >= FOUND) & ~(group.p > LEVEL)
        lines.append(
            f"| {case} | {method} | {models:,} | {wilson(int(hits.sum()), len(group))} | "
            f"{group.train_ap.median():.2f} | {group.seconds.median():.1f} |"
        )
    predicts = pd.DataFrame(
        [one | {"case": case_of(row)} for row in rows for one in row["predicts"]]
    )
    lines += [
        "",
        f"| images | attributions | models | LDS on {HELD_OUT} other models, mean (least, most) |"
        " CPU seconds, median |",
        "|---|---|---|---|---|",
    ]
    for (case, method, models), group in predicts.groupby(["case", "method", "models"], sort=False):
        lines.append(
            f"| {case} | {method} | {models:,} | {group.lds.mean():.2f} ({group.lds.min():.2f}, "
            f"{group.lds.max():.2f}) | {group.seconds.median():.1f} |"
        )
    return lines


def case_of(row: dict[str, Any]) -> str:
    return f"{row['kind']}, k = {row['k']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    warm = np.random.default_rng(0).normal(size=(60, 30))
    fit(warm > 0, warm, estimator="lasso")  # its code is compiled at the first call
    keys = []
    for kind, k in CASES:
        keys += [{"kind": kind, "k": k, "seed": seed} for seed in range(options.seeds)]
    for key in kept.missing(keys):
        kept.add(key | run(**key))
        print(key, flush=True)
    if options.output:
        lines = [*tables(kept.rows), "", f"{machine()}."]
        put_between_marks(options.output, "curve", lines)


if __name__ == "__main__":
    main()
