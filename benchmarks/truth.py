"""Does the comparison find what was planted, and does it find it when nothing differs?

The embedded study over seeds: plain against masked, and plain against itself (other models, on
other subsets), for each estimator and row scaling. Scores: average precision of the planted
training and test examples in direction 1 and 2. Margins are kept, so that a run that was cut
goes on.

    python benchmarks/truth.py --seeds 10 --output docs/truth.md
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score

from modeldiff import datamodels, dataset, files, subsets
from modeldiff.checks import parse
from modeldiff.comparison import compare
from modeldiff.study import Study
from modeldiff.training import Member, train
from modeldiff.training.shard import margin

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
MODELS = 1500  # of each side, all used to fit


def margins(study: Study, data: dataset.Dataset, name: str, models: range, cache: Path):
    """Margins of `models` of an algorithm on the targets [models x targets]."""
    path = cache / f"{study.key('training', name)}-{models.start}-{models.stop}.npy"
    if not path.exists():
        masks = subsets.draw(len(data.train.labels), models, study.alpha, study.seed)
        members = [
            Member((study.seed, name, m), np.flatnonzero(mask))
            for m, mask in zip(models, masks, strict=True)
        ]
        images = dataset.as_float(data.test.images[data.targets])
        labels = torch.from_numpy(data.test.labels[data.targets])
        groups = train(study.algorithms[name], data.train, len(data.classes), members, width=125)
        rows = [margin(group.logits(images), labels, "max").numpy() for group in groups]
        with files.whole(path) as file:
            np.save(file, np.concatenate(rows))
    return np.load(path)


def scores(a, b, data, planted, rows: str) -> dict[str, float]:
    """Of the first two directions, the better one's rank and average precisions."""
    found = compare(a, b, directions=2, rows=rows)
    train_truth = np.isin(np.arange(a.shape[1]), planted["train_examples"])
    test_truth = np.isin(data.targets, planted["test_examples"])
    train_ap = [average_precision_score(train_truth, v) for v in found.directions]
    test_ap = [average_precision_score(test_truth, p) for p in found.projections.T]
    best = int(np.argmax(train_ap))
    variances = {"var_a": found.variance_a[best], "var_b": found.variance_b[best]}
    return {"rank": best + 1, "train_ap": train_ap[best], "test_ap": test_ap[best]} | variances


def one_seed(seed: int, cache: Path) -> list[dict]:
    """All estimators and scalings, A against B and A against A'."""
    study = Study.load(parse(CONFIG) | {"seed": seed})
    folder = cache / f"dataset-{study.key('dataset')}" / "manifest.json"
    if not folder.exists():
        dataset.prepare(study, folder)
    data = dataset.read(folder, study.key("dataset"))
    planted = dataset.read_manifest(folder, study.key("dataset"))["planted"]
    first, second = range(MODELS), range(MODELS, 2 * MODELS)
    sides = {
        "plain": ("plain", first),
        "plain'": ("plain", second),
        "masked": ("masked", first),
    }
    rows = []
    for estimator in ("lasso", "ridge"):
        weights = {}
        for side, (name, models) in sides.items():
            masks = subsets.draw(len(data.train.labels), models, study.alpha, study.seed)
            y = margins(study, data, name, models, cache)
            weights[side] = datamodels.fit(masks, y, estimator=estimator).weights
        for other, scaling in product(("masked", "plain'"), ("unit", "raw")):
            found = scores(weights["plain"], weights[other], data, planted, scaling)
            case = {"estimator": estimator, "rows": scaling, "against": other, "seed": seed}
            rows.append(case | found)
    return rows


def table(rows: list[dict]) -> str:
    """The markdown table: one line per case, seeds pooled."""
    lines = [
        "| estimator | rows | plain against | train AP >= .85 in direction 1 or 2 | train AP, "
        "median (min to max) | test AP, median | rank 1 | Var_A / Var_B, median |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (estimator, scaling, other), g in pd.DataFrame(rows).groupby(
        ["estimator", "rows", "against"], sort=False
    ):
        ap = g.train_ap
        lines.append(
            f"| {estimator} | {scaling} | {other} | {(ap >= 0.85).sum()} of {len(g)} "
            f"| {ap.median():.2f} ({ap.min():.2f} to {ap.max():.2f}) | {g.test_ap.median():.2f} "
            f"| {(g['rank'] == 1).sum()} of {len(g)} | {(g.var_a / g.var_b).median():.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("results/benchmarks/truth"))
    parser.add_argument("--output", type=Path, help="where the table goes (markdown)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict] = []
    for seed in range(options.seeds):
        rows += one_seed(seed, options.cache)
        print(f"{seed + 1} seeds\n{table(rows)}", flush=True)
    if options.output:
        with files.whole(options.output) as file:
            file.write(f"{table(rows)}\n".encode())


if __name__ == "__main__":
    main()
