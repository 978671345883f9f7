"""What do other ways to compare two recipes see of planted differences, and of none?

Differences of known kind (`planted.py`): new models of both recipes on all training images for each
seed, compared by every method of `modeldiff.baselines`. Does a method tell the two apart (p <= .05,
for itself alone)? Does it rank the planted test images first (average precision)? Beside them what
gradients of five of the same models propose. Nulls are `plain` against a replica of itself, new
models in each pair. CPU seconds are those of a method alone; training is counted for itself. Rows
are kept in docs/baselines.jsonl, so that a run that was cut goes on.

    python benchmarks/baselines.py --seeds 10 --nulls 200 --output docs/baselines.md
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import planted
import torch
from kept_rows import KeptRows, machine, put_between_marks
from planted import Case
from proof import precision, targets_of, wilson
from sklearn.metrics import average_precision_score

from modeldiff.attribution.gradients import influences
from modeldiff.baselines import Pool, exchange, named
from modeldiff.baselines.methods import METHODS
from modeldiff.baselines.surrogate_trees import rules
from modeldiff.proof import of_difference
from modeldiff.training import Member, TrainedModels, train

ROWS = Path(__file__).parents[1] / "docs" / "baselines.jsonl"
MODELS = 6  # of each recipe
PROPOSERS, PROPOSALS = 5, 2
FOUND, LEVEL = 0.9, 0.05
KINDS = [
    ("watermark", 12),
    ("rare subclass", 12),
    ("watermark, own label", 60),
    ("label noise", 12),
    ("photos, watermark", 12),
    ("photos, texture", 12),
    ("photos, colour", 12),
]
LEARNING = "dcca"  # trains networks for each two models: of one kind, and of few nulls
OF_IMAGES = [method for method in METHODS if method != "automata"]  # which is for sequences
METHOD_OF = {measure: method for method in OF_IMAGES for measure in METHODS[method]}


def models_of(case: Case, name: str, seed: int) -> TrainedModels:
    """Models of a recipe on all training images."""
    everything = np.arange(len(case.train.labels))
    members = [Member((seed, name, "full", m), everything) for m in range(MODELS)]
    groups = train(case.algorithm(name), case.train, case.classes, members, width=MODELS)
    return next(iter(groups))


def compared(kind: str, k: int, seed: int, names: tuple[str, str], methods: list[str]) -> dict:
    """One pair: of each measure its p-value, interval, seconds and what it names."""
    case = planted.case(kind, k, seed, names)
    start = time.process_time()
    models = [models_of(case, name, seed) for name in names]
    training = time.process_time() - start
    classes = [str(label) for label in range(case.classes)]
    pool = Pool.of([models[0]], [models[1]], targets_of(case), classes, "benchmark", seed, *names)
    found = {}
    for method in methods:
        for name, measure in METHODS[method].items():
            start = time.process_time()
            some = pool.first(measure.models)
            distances = measure.of(some)
            said = {}
            if distances.ndim == 3:
                images = named(distances, some.sizes, *pool.key)
                said["ap"] = float(average_precision_score(case.test_truth, images.scores))
                said["named"] = len(images.chosen)
                said["hits"] = int(case.test_truth[images.chosen].sum())
                distances = distances.mean(2, dtype=np.float64)
            excess = exchange(distances, some.sizes, *pool.key)
            said |= {"p": excess.p_value, "excess": excess.value, "low": excess.low}
            found[name] = said | {"seconds": time.process_time() - start}
    row = {"measures": found, "training": training, "models": list(pool.sizes)}
    if "jst" in methods:
        said = rules(pool)
        row["rules"] = {"rules": len(said.rules), "covered": said.covered, "judged": said.judged}
    return row


def proposed(kind: str, k: int, seed: int, names: tuple[str, str]) -> dict[str, Any]:
    """What gradients of the same models propose: AP of the planted test images."""
    case = planted.case(kind, k, seed, names)
    found: list[dict[str, np.ndarray]] = []
    seconds = 0.0
    for name in names:
        models = models_of(case, name, seed)
        start = time.process_time()
        plain, predictive = [], []
        for part in influences(models, case.train, targets_of(case)):
            if part.model < PROPOSERS:
                plain.append(part.values.numpy())
                predictive.append((part.values * part.wrong).numpy())
        found.append({"influence": np.mean(plain, 0), "predictive": np.mean(predictive, 0)})
        seconds += time.process_time() - start
    start = time.process_time()
    aps = []
    for source in found[0]:
        for one in of_difference(found[0][source], found[1][source], source, PROPOSALS):
            aps.append(precision(case.test_truth, one.targets))
    return {"first": aps[0], "best": max(aps), "seconds": seconds + time.process_time() - start}


def plan(seeds: int, nulls: int, learned: int) -> Iterator[dict[str, Any]]:
    """What is run, in this order."""
    for kind, k in KINDS:
        for seed in range(seeds):
            yield {"what": "planted", "kind": kind, "k": k, "seed": seed}
    for seed in range(nulls):
        yield {"what": "null", "kind": "watermark", "k": 12, "seed": seed}
    for seed in range(seeds):
        yield {"what": f"planted, {LEARNING}", "kind": "watermark", "k": 12, "seed": seed}
    for seed in range(learned):
        yield {"what": f"null, {LEARNING}", "kind": "watermark", "k": 12, "seed": seed}


def run(key: dict[str, Any]) -> dict[str, Any]:
    what, of = key["what"], (key["kind"], key["k"], key["seed"])
    names = ("plain", "masked") if what.startswith("planted") else ("plain", "plain2")
    if what.endswith(LEARNING):
        return compared(*of, names, [LEARNING])
    row = compared(*of, names, [method for method in OF_IMAGES if method != LEARNING])
    return row | ({"gradients": proposed(*of, names)} if what == "planted" else {})


def of(rows: list[dict[str, Any]], what: str, measure: str, kind: str = "watermark") -> list:
    """What a measure said in each run of a kind."""
    what += f", {LEARNING}" if METHOD_OF[measure] == LEARNING else ""
    kept = [row for row in rows if (row["what"], row["kind"]) == (what, kind)]
    return [row["measures"][measure] for row in kept]


def share(hits: list[bool]) -> str:
    """How many of how many, with Wilson's interval."""
    return wilson(sum(hits), len(hits)) if hits else "-"


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    kinds = [kind for kind, _ in KINDS]
    lines = [
        f"| tells apart (p <= {LEVEL}) | nothing differs | {' | '.join(kinds)} | CPU seconds |",
        "|---|---|" + "---|" * (len(kinds) + 1),
    ]
    for measure in METHOD_OF:
        null = of(rows, "null", measure)
        cells = [share([one["p"] <= LEVEL for one in null])]
        seconds = [one["seconds"] for one in null]
        for kind in kinds:
            said = of(rows, "planted", measure, kind)
            cells.append(share([one["p"] <= LEVEL for one in said]))
            seconds += [one["seconds"] for one in said]
        lines.append(f"| {measure} | {' | '.join(cells)} | {np.median(seconds):.2f} |")
    lines += [
        "",
        f"| names the planted test images (AP >= {FOUND}; median AP) | {' | '.join(kinds)} |",
        "|---|" + "---|" * len(kinds),
    ]
    by_image = [name for name in METHOD_OF if "ap" in (of(rows, "planted", name) or [{}])[0]]
    for measure in by_image:
        cells = []
        for kind in kinds:
            cells.append(found([one["ap"] for one in of(rows, "planted", measure, kind)]))
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    proposals = [row for row in rows if row["what"] == "planted"]
    for which, words in (("first", "the first proposal"), ("best", "the best of 4 proposals")):
        cells = []
        for kind in kinds:
            cells.append(found([r["gradients"][which] for r in proposals if r["kind"] == kind]))
        lines.append(f"| gradients, {words} | {' | '.join(cells)} |")
    lines += ["", "| nothing differs | pairs | names any image at 5% |", "|---|---|---|"]
    for measure in by_image:
        said = of(rows, "null", measure)
        lines.append(f"| {measure} | {len(said)} | {share([one['named'] > 0 for one in said])} |")
    lines += [
        "",
        "| rules of joint surrogate trees | pairs | rules, median | precision | recall |",
        "|---|---|---|---|---|",
    ]
    for what, kind in [("planted", kind) for kind in kinds] + [("null", "watermark")]:
        said = [row["rules"] for row in rows if (row["what"], row["kind"]) == (what, kind)]
        label = kind if what == "planted" else "nothing differs"
        lines.append(f"| {label} | {len(said)} | {_rules(said)} |")
    seconds = np.median([row["training"] for row in proposals])
    gradients = np.median([row["gradients"]["seconds"] for row in proposals])
    lines += [
        "",
        f"{MODELS} models of each recipe, trained in {seconds:.1f} CPU seconds (median), and "
        f"gradients of {PROPOSERS} of each in {gradients:.1f}; {machine()}.",
    ]
    return lines


def found(precisions: list[float]) -> str:
    """How often a plant was found, and the median."""
    if not precisions:
        return "-"
    hits = [one >= FOUND for one in precisions]
    return f"{share(hits)}; {np.median(precisions):.2f}"


def _rules(said: list[dict[str, Any]]) -> str:
    """Of all pairs together: images that rules cover, and on which the two differ."""
    if not said:
        return "- | - | -"
    covered, both = np.sum([one["covered"] for one in said], axis=0)
    differ = sum(one["judged"][1] for one in said)
    rate = f"{both / covered:.2f} | {both / differ:.2f}" if covered and differ else "- | -"
    return f"{np.median([one['rules'] for one in said]):.0f} | {rate}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10, help="of each kind")
    parser.add_argument("--nulls", type=int, default=200, help="pairs of nothing that differs")
    parser.add_argument("--learned", type=int, default=10, help=f"such pairs for {LEARNING}")
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    for key in kept.missing(plan(options.seeds, options.nulls, options.learned)):
        row = key | run(key)
        kept.add(row)
        print(key, {name: f"{one['p']:.3f}" for name, one in row["measures"].items()}, flush=True)
    if options.output:
        put_between_marks(options.output, "tables", tables(kept.rows))


if __name__ == "__main__":
    main()
