"""Does a comparison find what was planted, and is it silent when nothing differs?

Kinds of planted differences (`planted.py`), sizes of the planted group, alpha, and methods: `best`
and `paper` as the presets have them, and `raw`, the published package's scaling on ridge
datamodels. `plain` is compared with `masked`, which cannot see what was planted, and with replicas
of itself (the same recipe on the same subsets under other names: whatever differs is chance).
Directions looked at, fixed in advance: the first two of a minus b. Margins are kept in a cache,
scores in docs/truth.jsonl, so that a run that was cut goes on, elsewhere too; several runs at once
share the work.

    python benchmarks/truth.py --output docs/truth.md
"""

import argparse
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import planted
import torch
from planted import PHOTOS, Case
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from modeldiff import comparison, datamodels, dataset, subsets
from modeldiff.comparison.agreement import AGREEMENT_LEVEL
from modeldiff.comparison.step import favouring
from modeldiff.core import artifacts
from modeldiff.study import VERSIONS, digest
from modeldiff.study.presets import PRESETS
from modeldiff.training import Member, train
from modeldiff.training.shard import margin

SCORES = Path(__file__).parents[1] / "docs" / "truth.jsonl"  # a line for each comparison and method
MODELS = 1500  # of each algorithm, all used to fit
PERMUTATIONS = 99
MARGINS = ("max", "log_odds")
FOUND = 0.9  # average precision
METHODS = {  # margin, estimator, scaling of rows
    "best": ("log_odds", "", ""),
    "paper": ("max", "lasso", "unit"),
    "raw": ("max", "ridge", "raw"),
}
KNOWN = [  # kind, planted training images, alpha; the first for twice as many seeds
    ("watermark", 12, 0.5),
    ("watermark", 48, 0.1),
    ("watermark", 24, 0.5),
    ("watermark", 48, 0.5),
    ("watermark", 12, 0.1),
    ("watermark", 6, 0.5),
    ("watermark, own label", 60, 0.2),
    ("watermark, own label", 60, 0.5),
    ("rare subclass", 12, 0.5),
    ("label noise", 12, 0.5),
    ("photos, watermark", 12, 0.5),
    ("photos, texture", 12, 0.5),
    ("photos, colour", 12, 0.5),
    ("photos, colour", 48, 0.1),
]
NULL = [  # kind, planted, alpha, two replicas, how many times as many seeds; pairs are disjoint
    ("watermark", 12, 0.5, "plain", "plain2", 2),
    ("watermark", 12, 0.5, "plain3", "plain4", 1),
    ("watermark", 48, 0.1, "plain", "plain2", 1),
    ("photos, colour", 12, 0.5, "plain", "plain2", 1),
]
HEADER = """# Planted truth and true nulls

Does a comparison find a difference that is known to be there, and is it silent where there is
none? Differences are planted in digits and in photos (CIFAR-10, four classes at 8 x 8 pixels):
`plain` can use what was planted, `masked` cannot. What the results mean is discussed in [When not
to believe a direction](when-not-to-believe-a-direction.md).

- **Methods**: `best` (the tested contrast), `paper` (lasso, unit rows, residuals) and `raw`
  (ridge, raw rows, residuals).
- **Directions**: the first two of `plain` minus `masked`, fixed in advance.
- **AP**: the average precision with which a direction ranks the planted training (or test) images.
  `significant` refers to the same direction.
- **Nothing differs**: `plain` is compared with replicas of itself on the same subsets, in disjoint
  pairs.
- **Agreement**: of all datamodels together, with noise removed, where it was kept. Given are the
  median (smallest to largest), the number of pairs in which it is told apart from that of equals,
  and the number in which its 95% interval contains 1.

Other intervals are 95%, Wilson. The planted differences are defined in `benchmarks/planted.py`.
Made by `python benchmarks/truth.py`.
"""
SCALE = 1.3  # `plain2*`: a replica, its margins times this


def margins(case: Case, of: tuple, name: str, cache: Path) -> np.ndarray:
    """Margins of the models of a recipe on the targets, float32 [MARGINS x models x targets]."""
    *_, alpha, seed = of
    settings = {"of": of, "name": name, "recipe": case.recipes[name], "models": MODELS}
    path = cache / f"{digest(settings | {'version': VERSIONS['training']})}.npy"
    if not path.exists():
        masks = subsets.draw(len(case.train.labels), range(MODELS), alpha, seed)
        members = [Member((seed, name, m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
        images = dataset.as_float(case.test.images[case.targets])
        labels = torch.from_numpy(case.test.labels[case.targets])
        rows = []
        for group in train(case.algorithm(name), case.train, case.classes, members, width=125):
            logits = group.logits(images)
            rows.append(np.stack([margin(logits, labels, how).numpy() for how in MARGINS]))
        with artifacts.atomic_write(path) as file:
            np.save(file, np.concatenate(rows, axis=1))
    found: np.ndarray = np.load(path)
    return found


def compare(of: tuple, a: str, b: str, methods: list[str], cache: Path) -> Iterator[dict]:
    """Of each method, the better of the first two directions: rank, average precisions, p-value."""
    kind, k, alpha, seed = of
    case = planted.case(kind, k, seed, [a, b.rstrip("*")])
    sides = [margins(case, of, name.rstrip("*"), cache) for name in (a, b)]
    if b.endswith("*"):
        sides[1] = SCALE * sides[1]
    masks = subsets.draw(len(case.train.labels), range(MODELS), alpha, seed)
    for method in methods:
        how, estimator, rows = METHODS[method]
        y = [side[MARGINS.index(how)] for side in sides]
        if method == "best":
            found = comparison.contrast(
                masks, *y, directions=20, permutations=PERMUTATIONS, seed=seed
            )
            found = found.only(favouring(found.asymmetry, 2))
        else:
            fits = [datamodels.fit(masks, side, estimator=estimator).weights for side in y]
            found = comparison.compare(*fits, directions=2, rows=rows)
        train_ap = [average_precision_score(case.train_truth, v) for v in found.directions]
        test_ap = [average_precision_score(case.test_truth, p) for p in found.projections.T]
        best = int(np.argmax(train_ap))
        yield {
            "method": method,
            "rank": best + 1,
            "train_ap": float(train_ap[best]),
            "test_ap": float(test_ap[best]),
            "p": float(found.p_value[best]),
            "least_p": float(found.p_value.min()),
            "stability": float(found.stability[best]),
            "agreement": None if found.agreement is None else asdict(found.agreement),
            # Of the training images, how many the planted group is: what chance would reach.
            "chance": float(case.train_truth.mean()),
        }


def plan(seeds: int) -> Iterator[tuple[tuple, str, str]]:
    """What is compared, in this order: (kind, planted, alpha, seed), a, b."""
    known = [(*of, "plain", "masked", 1 + (of == KNOWN[0])) for of in KNOWN]
    for *of, times in known + NULL:
        *where, a, b = of
        for seed in range(times * seeds):
            yield (*where, seed), a, b
    for seed in range(seeds):
        yield (*KNOWN[0], seed), "plain", "plain2*"


def wilson(hits: int, n: int) -> str:
    """A share with its 95% Wilson interval."""
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits} of {n} [{interval.low:.2f}, {interval.high:.2f}]"


def agreed(rows: pd.DataFrame) -> str:
    """How alike the two are, all together, in those comparisons that it was kept of."""
    known = [one for one in rows.agreement if isinstance(one, dict)]
    if not known:
        return ""
    values = [one["value"] for one in known]
    differ = sum(one["p_value"] <= AGREEMENT_LEVEL for one in known)
    alike = sum(one["low"] <= 1 <= one["high"] for one in known)
    return (
        f"{np.median(values):.3f} ({min(values):.3f} to {max(values):.3f}); "
        f"p <= {AGREEMENT_LEVEL} in {differ} of {len(known)}; 1 inside in {alike}"
    )


def tables(rows: list[dict[str, Any]]) -> str:
    """Markdown: what is found of what was planted, and what is reported where nothing differs."""
    everything = pd.DataFrame(rows)
    known = everything["b"] == "masked"
    everything["differs"] = np.where(everything["b"].str.endswith("*"), f"scale, {SCALE}", "chance")
    lines = [
        f"| planted | images | alpha | method | train AP >= {FOUND} in direction 1 or 2 | train "
        "AP, median (min to max) | test AP, median | significant | stability, median | agreement |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (kind, k, alpha, method), g in everything[known].groupby(
        ["kind", "k", "alpha", "method"], sort=False
    ):
        tested = wilson(int((g.p <= 0.05).sum()), len(g)) if method == "best" else "no test"
        steady = f"{g.stability.median():.2f}" if method == "best" else ""
        found = wilson(int((g.train_ap >= FOUND).sum()), len(g))
        aps = f"{g.train_ap.median():.2f} ({g.train_ap.min():.2f} to {g.train_ap.max():.2f})"
        lines.append(
            f"| {kind} | {k} | {alpha} | {method} | {found} | {aps} | {g.test_ap.median():.2f} | "
            f"{tested} | {steady} | {agreed(g)} |"
        )
    lines += [
        "",
        "| nothing differs but | data | images | alpha | method | pairs that report a significant "
        "direction | train AP of the planted group, median (max) | agreement |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (what, kind, k, alpha, method), g in everything[~known].groupby(
        ["differs", "kind", "k", "alpha", "method"], sort=False
    ):
        hits = int((g.least_p <= 0.05).sum())
        tested = wilson(hits, len(g)) if method == "best" else f"all {len(g)}: no test"
        lines.append(
            f"| {what} | {kind} | {k} | {alpha} | {method} | {tested} | {g.train_ap.median():.2f} "
            f"({g.train_ap.max():.2f}) | {agreed(g)} |"
        )
    return "\n".join(lines)


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """A point for each seed: how well the planted training images are named, by case and method."""
    known = [row for row in rows if row["b"] == "masked"]
    cases = list(dict.fromkeys((row["kind"], row["k"], row["alpha"]) for row in known))
    fig, axes = plt.subplots(figsize=(9, 0.5 + 0.42 * len(cases)), layout="constrained")
    for place, method in enumerate(METHODS):
        own = [row for row in known if row["method"] == method]
        at = [cases.index((row["kind"], row["k"], row["alpha"])) for row in own]
        height = np.array(at) + (place - 1) * 0.25
        ap = [row["train_ap"] for row in own]
        axes.scatter(ap, height, 22, marker="o^s"[place], alpha=0.6, label=method, linewidths=0)
    names = [f"{kind}: {k} images, alpha {alpha}" for kind, k, alpha in cases]
    axes.set_yticks(range(len(cases)), names)
    axes.invert_yaxis()
    axes.set(
        xlim=(0, 1.02), xlabel="average precision of the planted training images, a point per seed"
    )
    axes.axvline(FOUND, color="0.7", linewidth=1)
    fig.legend(loc="outside upper center", ncols=3, frameon=False)
    fig.savefig(path, dpi=110)


def scored(key: dict[str, Any]) -> list[dict[str, Any]]:
    """The scores of a comparison that were kept, of each method the newest."""
    kept = [json.loads(line) for line in SCORES.read_text().splitlines()] if SCORES.exists() else []
    found = (row for row in kept if row.items() >= key.items())
    return list({row["method"]: row for row in sorted(found, key=lambda r: r["version"])}.values())


def main() -> None:
    assert PRESETS["best"]["training"]["margin"] == METHODS["best"][0]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--cache", type=Path, default=Path("results/benchmarks/truth"))
    parser.add_argument("--kept", action="store_true", help="only the scores that were kept")
    parser.add_argument("--output", type=Path, help="where the tables go (markdown)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.cache.mkdir(parents=True, exist_ok=True)
    names = ("kind", "k", "alpha", "seed")
    rows: list[dict[str, Any]] = []
    for of, a, b in plan(options.seeds):
        if of[0].startswith("photos") and not PHOTOS.exists():
            continue
        key = dict(zip((*names, "a", "b"), (*of, a, b), strict=True))
        if options.kept:
            rows += scored(key)
            continue
        with (options.cache / f"{digest(key)}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if options.output else fcntl.LOCK_NB))
            except BlockingIOError:
                continue
            version = {"version": VERSIONS["comparison"]}
            had = scored(key | version)
            missing = [m for m in options.methods if m not in {row["method"] for row in had}]
            new = [key | version | found for found in compare(of, a, b, missing, options.cache)]
            with SCORES.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
        for row in new:
            print(row, flush=True)
        rows += [row for row in had if row["method"] in options.methods] + new
    made = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    text = (
        f"{HEADER}\n{tables(rows)}\n\n{made}; torch {torch.__version__}, numpy {np.__version__}; "
    )
    text += f"{MODELS} models per algorithm, {PERMUTATIONS} permutations\n"
    print(text)
    if options.output:
        with artifacts.atomic_write(options.output) as file:
            file.write(text.encode())
        figure(rows, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
