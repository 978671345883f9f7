"""Does a comparison find what was planted, and is it silent when nothing differs?

The embedded study over seeds, sizes of the planted group and alpha: `plain` against `masked`, and
`plain` against replicas of itself (the same recipe under other names on the same subsets: whatever
differs is chance). Methods: `best` (the contrast) and `paper` (lasso, unit rows, residuals) as the
presets have them, and residuals of the other estimators and scalings of rows. Directions looked
at, fixed in advance: the first two of a minus b. Margins and scores are kept, so that a run that
was cut goes on.

    python benchmarks/truth.py --output docs/truth.md
"""

import argparse
import copy
import json
import os
import platform
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from modeldiff import comparison, datamodels, dataset, files, subsets
from modeldiff.checks import parse
from modeldiff.comparison.step import own
from modeldiff.study import VERSIONS, Study
from modeldiff.training import Member, train
from modeldiff.training.shard import margin

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
MODELS = 1500  # of each algorithm, all used to fit
FLIPS = 39
REPLICAS = ("plain", "plain2", "plain3", "plain4")
# (planted training images, alpha): what `plain` is compared with, and how many replicas there are.
CASES = {(12, 0.5): 4, (48, 0.1): 2, (24, 0.5): 0, (12, 0.1): 0, (48, 0.5): 0}
FOUND = 0.85  # average precision
RESIDUALS = {  # estimator, scaling of rows
    "raw": ("ridge", "raw"),
    "paper": ("lasso", "unit"),
    "lasso-raw": ("lasso", "raw"),
    "ridge-unit": ("ridge", "unit"),
}


class Case:
    """One prepared study: a seed, a size of the planted group, an alpha."""

    def __init__(self, seed: int, planted: int, alpha: float, cache: Path):
        config = copy.deepcopy(parse(CONFIG)) | {"seed": seed}
        config["dataset"]["plant"]["train"] = planted
        config["subsets"]["alpha"] = alpha
        for name in REPLICAS[1:]:
            config["algorithms"][name] = config["algorithms"]["plain"]
        self.study, self.cache = Study.load(config), cache
        key = self.study.key("dataset")
        manifest = cache / f"dataset-{key}" / "manifest.json"
        if not manifest.exists():
            dataset.prepare(self.study, manifest)
        self.data = dataset.read(manifest, key)
        self.planted = dataset.read_manifest(manifest, key)["planted"]
        self.masks = subsets.draw(len(self.data.train.labels), range(MODELS), alpha, seed)

    def path(self, name: str) -> Path:
        """Where the margins of an algorithm are kept."""
        return self.cache / f"{self.study.key('training', name)}-0-{MODELS}.npy"

    def margins(self, name: str) -> np.ndarray:
        """Margins of the models of an algorithm on the targets [models x targets]."""
        if not self.path(name).exists():
            study, data = self.study, self.data
            members = [
                Member((study.seed, name, m), np.flatnonzero(mask))
                for m, mask in enumerate(self.masks)
            ]
            images = dataset.as_float(data.test.images[data.targets])
            labels = torch.from_numpy(data.test.labels[data.targets])
            groups = train(
                study.algorithms[name], data.train, len(data.classes), members, width=125
            )
            rows = [margin(group.logits(images), labels, "max").numpy() for group in groups]
            with files.whole(self.path(name)) as file:
                np.save(file, np.concatenate(rows))
        return np.load(self.path(name))

    def compare(self, method: str, a: str, b: str) -> comparison.Comparison:
        """a minus b; its first two directions."""
        factor = 1.3 if b.endswith("*") else 1.0  # `plain2*`: a replica, its margins times 1.3
        y = self.margins(a), factor * self.margins(b.rstrip("*"))
        if method == "best":
            seed = self.study.seed
            found = comparison.contrast(self.masks, *y, directions=20, flips=FLIPS, seed=seed)
            return found.only(own(found.lean, 2))
        estimator, rows = RESIDUALS[method]
        fits = [datamodels.fit(self.masks, side, estimator=estimator).weights for side in y]
        return comparison.compare(*fits, directions=2, rows=rows)

    def scores(self, method: str, a: str, b: str) -> dict[str, float]:
        """Of the better of the first two directions: rank, average precisions, p-value."""
        found = self.compare(method, a, b)
        train_truth = np.isin(
            np.arange(len(self.data.train.labels)), self.planted["train_examples"]
        )
        test_truth = np.isin(self.data.targets, self.planted["test_examples"])
        train_ap = [average_precision_score(train_truth, v) for v in found.directions]
        test_ap = [average_precision_score(test_truth, p) for p in found.projections.T]
        best = int(np.argmax(train_ap))
        return {
            "rank": best + 1,
            "train_ap": float(train_ap[best]),
            "test_ap": float(test_ap[best]),
            "p": float(found.p_value[best]),
            "least_p": float(found.p_value.min()),
            "stability": float(found.stability[best]),
        }


def plan(seeds: int, methods: list[str]) -> Iterator[tuple]:
    """What is compared, in this order: (planted, alpha, seed, a, b, method)."""
    for method in methods:
        for (planted, alpha), replicas in CASES.items():
            for seed in range(seeds):
                yield planted, alpha, seed, "plain", "masked", method
            if replicas and method != "best":  # no test: one pair a seed shows what it finds
                replicas = 2
            for seed in range(seeds):
                for a, b in combinations(REPLICAS[:replicas], 2):
                    yield planted, alpha, seed, a, b, method
        if method == "best":
            for seed in range(seeds):
                yield 12, 0.5, seed, "plain", "plain2*", method


def wilson(hits: int, n: int) -> str:
    """A share with its 95% Wilson interval."""
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits} of {n} [{interval.low:.2f}, {interval.high:.2f}]"


def tables(rows: list[dict]) -> str:
    """Markdown: what is found of what was planted, and what is reported where nothing differs."""
    everything = pd.DataFrame(rows)
    everything["kind"] = everything["b"].map(lambda b: b if b == "masked" else "null")
    everything.loc[everything["b"].str.endswith("*"), "kind"] = "scale"
    known = everything["kind"] == "masked"
    lines = [
        "| planted | alpha | method | train AP >= .85 in direction 1 or 2 | train AP, median (min "
        "to max) | test AP, median | significant | stability, median |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (k, alpha, method), g in everything[known].groupby(["k", "alpha", "method"], sort=False):
        tested = wilson(int((g["p"] <= 0.05).sum()), len(g)) if method == "best" else "no test"
        lines.append(
            f"| {k} | {alpha} | {method} | {wilson(int((g.train_ap >= FOUND).sum()), len(g))} | "
            f"{g.train_ap.median():.2f} ({g.train_ap.min():.2f} to {g.train_ap.max():.2f}) | "
            f"{g.test_ap.median():.2f} | {tested} | {g.stability.median():.2f} |"
        )
    lines += [
        "",
        "| nothing differs but | planted | alpha | method | pairs that report a significant "
        "direction | train AP >= .85 | train AP, median (max) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (kind, k, alpha, method), g in everything[~known].groupby(
        ["kind", "k", "alpha", "method"], sort=False
    ):
        hits = int((g["least_p"] <= 0.05).sum())
        tested = wilson(hits, len(g)) if method == "best" else f"all {len(g)}: no test"
        what = "chance" if kind == "null" else "chance and a factor of 1.3"
        lines.append(
            f"| {what} | {k} | {alpha} | {method} | {tested} | {(g.train_ap >= FOUND).sum()} of "
            f"{len(g)} | {g.train_ap.median():.2f} ({g.train_ap.max():.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=["best", *RESIDUALS])
    parser.add_argument("--cached", action="store_true", help="only what needs no training")
    parser.add_argument("--cache", type=Path, default=Path("results/benchmarks/truth"))
    parser.add_argument("--output", type=Path, help="where the tables go (markdown)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.cache.mkdir(parents=True, exist_ok=True)
    log = options.cache / f"scores-{VERSIONS['comparison']}.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    names = ("k", "alpha", "seed", "a", "b", "method")
    done = {tuple(row[name] for name in names) for row in rows}
    for what in plan(options.seeds, options.methods):
        if what in done:
            continue
        k, alpha, seed, a, b, method = what
        case = Case(seed, k, alpha, options.cache)
        if options.cached and not all(case.path(x.rstrip("*")).exists() for x in (a, b)):
            continue
        rows.append(dict(zip(names, what, strict=True)) | case.scores(method, a, b))
        with log.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    made = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    text = f"{tables(rows)}\n\n{made}; torch {torch.__version__}, numpy {np.__version__}; "
    text += f"{MODELS} models per algorithm, {FLIPS} flips\n"
    print(text)
    if options.output:
        with files.whole(options.output) as file:
            file.write(text.encode())


if __name__ == "__main__":
    main()
