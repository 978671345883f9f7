"""Does the audit find what is left of a group, and is it silent where nothing can be?

Groups of known members: 12 or 48 digits with a planted watermark, or a whole class. `never` models
are retrained without the group. Audited are, besides the methods of `unlearn`, models that never
saw the group, from other seeds (silent is right), and models that learned it and forgot nothing
(found is right, with a share of 1). A row for each group and seed is kept in docs/unlearning.jsonl,
so that a run that was cut goes on.

    python benchmarks/unlearning.py --seeds 20 --methods 5 --output docs/unlearning.md
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import planted
import torch
from kept_rows import KeptRows, machine, put_between_marks
from planted import Case
from proof import targets_of
from scipy.stats import binomtest

from modeldiff.dataset import as_float
from modeldiff.study.components import Component
from modeldiff.training import Member, train
from modeldiff.training.shard import margin
from modeldiff.unlearning import left

ROWS = Path(__file__).parents[1] / "docs" / "unlearning.jsonl"
GROUPS = ["12 planted", "48 planted", "a class"]
MODELS = 16  # of each kind
METHODS: dict[str, dict[str, Any]] = {
    "muso": {},
    "finetune": {},
    "random_labels": {},
    "gradient_ascent": {"epochs": 12},
}
NOTHING_LEFT, ALL_LEFT = "never seen, again", "no unlearning"


def group_of(case: Case, group: str, seed: int) -> np.ndarray:
    """Which training images are to be forgotten: bool [n_train]."""
    if group == "a class":
        return case.train.labels == seed % case.classes
    return case.train_truth


def margins_of(
    case: Case, name: str, seed: int, seen: np.ndarray, method: str = "", forget: Any = None
) -> tuple[np.ndarray, float]:
    """Log-odds of the targets, [models x targets], and the mean accuracy, of new models.

    name: whose randomness. seen: the training images that there are. method: of unlearning.
    """
    algorithm = case.algorithm("plain")
    if method:
        options = {"method": method} | METHODS[method]
        algorithm = replace(algorithm, finish=Component("unlearn", options), forget="the group")
    examples = np.flatnonzero(seen)
    members = [Member((seed, name, m), examples, f"model {m}") for m in range(MODELS)]
    targets = targets_of(case)
    images = as_float(targets.images)
    labels = torch.from_numpy(targets.labels)
    rows = []
    right = []
    groups = train(algorithm, case.train, case.classes, members, width=MODELS, forget=forget)
    for trained in groups:
        logits = trained.logits(images)
        rows.append(margin(logits, labels, "log_odds").numpy())
        right.append((margin(logits, labels, "max") > 0).double().mean(1).numpy())
    return np.concatenate(rows), float(np.concatenate(right).mean())


def run(group: str, seed: int, methods: bool) -> dict[str, Any]:
    """One group: what each kind of models has left of it."""
    start = time.process_time()
    k = 48 if group == "48 planted" else 12
    case = planted.case("watermark", k, seed, ("plain", "masked"))
    forget = group_of(case, group, seed)
    everything = np.ones_like(forget)
    before, accuracy_before = margins_of(case, "before", seed, everything)
    never, accuracy_never = margins_of(case, "never", seed, ~forget)
    audited = {
        NOTHING_LEFT: margins_of(case, "never again", seed, ~forget),
        ALL_LEFT: margins_of(case, "before again", seed, everything),
    }
    for method in METHODS if methods else ():
        audited[method] = margins_of(case, method, seed, everything, method, forget)
    found = {}
    for name, (after, accuracy) in audited.items():
        found[name] = asdict(left(before, never, after)) | {"accuracy": accuracy}
    return {
        "size": int(forget.sum()),
        "found": found,
        "accuracy_before": accuracy_before,
        "accuracy_never": accuracy_never,
        "seconds": time.process_time() - start,
    }


def plan(seeds: int, methods: int) -> Iterator[dict[str, Any]]:
    """The rows there should be."""
    for seed in range(seeds):
        for group in GROUPS:
            yield {"kind": group, "seed": seed, "methods": seed < methods}


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """Both tables as Markdown."""
    entries = []
    for row in rows:
        for name, found in row["found"].items():
            entries.append({"group": row["kind"], "audited": name} | found)
    table = pd.DataFrame(entries)
    lines = [
        "| group | audited | differs at 5% | share left, median | its intervals hold the truth |",
        "|---|---|---|---|---|",
    ]
    known = table[table.audited.isin([NOTHING_LEFT, ALL_LEFT])]
    for (group, name), part in known.groupby(["group", "audited"], sort=False):
        truth = 0 if name == NOTHING_LEFT else 1
        hold = ((part.low <= truth) & (truth <= part.high)).sum()
        lines.append(
            f"| {group} | {name} | {share((part.p_value <= 0.05).sum(), len(part))} | "
            f"{part.value.median():.2f} | {share(hold, len(part))} |"
        )
    nulls = known[known.audited == NOTHING_LEFT]
    untouched = known[known.audited == ALL_LEFT]
    for name, part in ((NOTHING_LEFT, nulls), (ALL_LEFT, untouched)):
        found = (part.p_value <= 0.05).sum()
        lines.append(f"| all | {name} | {share(found, len(part))} | {part.value.median():.2f} | |")
    lines += [
        "",
        "| group | method | seeds | share left, median (smallest to largest) | differs at 5% in | "
        "accuracy | without the group | before |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group in GROUPS:
        of_group = [row for row in rows if row["kind"] == group and row["methods"]]
        for method in METHODS:
            part = pd.DataFrame([row["found"][method] for row in of_group])
            values = part.value
            never = np.mean([row["accuracy_never"] for row in of_group])
            before = np.mean([row["accuracy_before"] for row in of_group])
            lines.append(
                f"| {group} | `{method}` | {len(part)} | {values.median():.2f} "
                f"({values.min():.2f} to {values.max():.2f}) | {(part.p_value <= 0.05).sum()} | "
                f"{part.accuracy.mean():.3f} | {never:.3f} | {before:.3f} |"
            )
    return lines


def share(count: int, of: int) -> str:
    """`2 of 60 (3%, 1 to 11)`, with Wilson's interval."""
    low, high = binomtest(int(count), of).proportion_ci(method="wilson")
    return f"{count} of {of} ({count / of:.0%}, {100 * low:.0f} to {100 * high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="of each group")
    parser.add_argument("--methods", type=int, default=5, help="seeds on which methods are audited")
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    for key in kept.missing(plan(options.seeds, options.methods)):
        row = key | run(key["kind"], key["seed"], key["methods"])
        kept.add(row)
        values = {name: round(found["value"], 2) for name, found in row["found"].items()}
        print(key, values, f"{row['seconds']:.1f} s", flush=True)
    if options.output:
        seconds = sum(row["seconds"] for row in kept.rows) / 60
        said = f"{MODELS} models of each kind; {seconds:.0f} CPU minutes in all; {machine()}."
        put_between_marks(options.output, "tables", [*tables(kept.rows), "", said])


if __name__ == "__main__":
    main()
