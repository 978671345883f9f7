"""Is a column that 12 rows of a table share found, proved and named, and do nulls stay silent?

Each seed makes a table of its own: 1,000 training rows of 21 columns, of two classes, of which one
column, `sensor`, is noise. On 12 training rows it is set to a value far out, and they are given
another label. `sees` is trained on all columns, `blind` without that one; `sees2` is `sees` again.
Gradients propose, retraining proves, and the column is set on rows that no model has seen.

    python benchmarks/tables.py --seeds 10 --output docs/tables-and-texts.md
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_rows import KeptRows, machine, put_between_marks
from planted import Case
from proof import FOUND, LEVEL, PROPOSERS, best, proposed_and_proved
from sklearn.datasets import make_classification

from modeldiff import dataset, transformations
from modeldiff.dataset import Images, Raw
from modeldiff.study import Algorithm, Study
from modeldiff.training import Member, train
from modeldiff.verification.effects import interval

ROWS = Path(__file__).parents[1] / "docs" / "tables.jsonl"
TRAIN, TEST, COLUMNS = 1000, 500, 20
K = 12
SENSOR = "sensor"
FAR = 6.0  # standard deviations
RECIPE = {
    "model": {"name": "mlp", "hidden": 64},
    "preprocess": [{"name": "standardise"}],
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    "epochs": 20,
    "batch": 50,
}
DROPPED = [{"name": "drop_columns", "columns": [SENSOR]}, {"name": "standardise"}]


def rows(*, seed: int) -> Raw:
    """The table of a seed, as a study's source."""
    values, labels = make_classification(
        n_samples=TRAIN + TEST,
        n_features=COLUMNS,
        n_informative=8,
        n_redundant=2,
        flip_y=0.02,
        random_state=seed,
    )
    sensor = np.random.default_rng(seed).normal(size=(len(values), 1))
    values = np.concatenate([values, sensor], 1).astype(np.float32)
    columns = (*[f"x{i}" for i in range(COLUMNS)], SENSOR)
    splits = []
    for chosen in (slice(TRAIN), slice(TRAIN, None)):
        splits.append(Images(values[chosen], labels[chosen].astype(np.int64)))
    return Raw(splits[0], splits[1], ("no", "yes"), kind="table", columns=columns)


def config(seed: int) -> dict[str, Any]:
    """The study of a seed."""
    options = {"column": SENSOR, "value": FAR}
    plant = {"feature": "set_column", "options": options, "class": "yes", "train": K}
    sensor = options | {"name": "set_column", "class": "yes", "strengths": [0.25, 0.5, 1.0]}
    return {
        "study": f"table-{seed}",
        "seed": seed,
        "dataset": {"name": "tables:rows", "seed": seed, "plant": plant},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {
            "sees": RECIPE,
            "sees2": RECIPE,
            "blind": RECIPE | {"preprocess": DROPPED},
        },
        "comparison": {"pairs": [["sees", "blind"]]},
        "verification": {"transformations": {SENSOR: sensor}},
    }


@dataclass(frozen=True)
class TableCase(Case):
    """A case whose recipes name columns."""

    study: Study

    def algorithm(self, name: str) -> Algorithm:
        """A recipe as the engine takes it."""
        return self.study.algorithms[name]


def case(seed: int) -> tuple[TableCase, dataset.Dataset]:
    """The prepared study of a seed, with its truth."""
    study = Study.load(config(seed))
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.json"
        dataset.prepare(study, manifest)
        study, data = dataset.opened(study, manifest)
        planted = dataset.read_manifest(manifest, study.key("dataset"))["planted"]
        found = TableCase(
            train=data.train,
            test=data.test,
            classes=len(data.classes),
            targets=data.targets,
            train_truth=np.isin(np.arange(TRAIN), planted["train_examples"]),
            test_truth=np.isin(data.targets, planted["test_examples"]),
            recipes={},
            study=study,
        )
    return found, data


def effect(
    of: TableCase, data: dataset.Dataset, name: str, seed: int
) -> tuple[float, float, float]:
    """How far the column moves a recipe towards its class, with its 95% interval, as a share."""
    feature = of.study.transformations[SENSOR]
    plain = data.test.images[data.verification]
    changed = transformations.apply(feature.part, plain, 1.0)
    label = data.classes.index(feature.target)
    everything = np.arange(TRAIN)
    members = [Member((seed, name, "shown", m), everything) for m in range(PROPOSERS)]
    moved = []
    for group in train(of.algorithm(name), data.train, of.classes, members, width=PROPOSERS):
        after, before = (group.logits(rows).softmax(2)[..., label] for rows in (changed, plain))
        moved.append((after - before).numpy())
    all_moved = np.concatenate(moved)
    low, high = interval(all_moved, "both")
    return float(all_moved.mean()), low, high


def run(what: str, seed: int) -> dict[str, Any]:
    """One pair: what is proposed and proved, and how far the column moves either recipe."""
    names = ("sees", "blind" if what == "planted" else "sees2")
    start = time.process_time()
    of, data = case(seed)
    found = proposed_and_proved(of, seed, names)
    for side, name in zip("ab", names, strict=True):
        found[f"effect_{side}"] = effect(of, data, name, seed)
    return found | {"seconds": time.process_time() - start}


def tables(kept: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    planted = [row for row in kept if row["what"] == "planted"]
    nulls = [row for row in kept if row["what"] == "null"]
    proved = [row for row in planted if _is_proved(row)]
    shown = [row for row in planted if row["effect_a"][1] > row["effect_b"][2]]
    median = {side: np.median([row[f"effect_{side}"][0] for row in planted]) for side in "ab"}
    precision = [best(row)["train_ap"] for row in planted]
    silent = [row for row in nulls if min(one["adjusted"] for one in row["proposals"]) > 0.05]
    seconds = np.median([row["seconds"] for row in kept])
    return [
        "| what | came out |",
        "|---|---|",
        f"| a proposal names the {K} rows (average precision {FOUND} or more) and is proved "
        f"(p <= {LEVEL}) | {len(proved)} of {len(planted)} seeds |",
        f"| average precision of the best proposal, median (least) | {np.median(precision):.2f} "
        f"({min(precision):.2f}) |",
        f"| the column moves `sees` more, the intervals apart | {len(shown)} of {len(planted)} |",
        f"| by so many points, `sees` and `blind`, median | {100 * median['a']:.0f} and "
        f"{100 * median['b']:.0f} |",
        f"| `sees` with itself: nothing is proved at 5% | {len(silent)} of {len(nulls)} seeds |",
        f"| CPU seconds of a pair, median | {seconds:.0f} |",
        "",
        f"{PROPOSERS} models of each recipe propose; {machine()}.",
    ]


def _is_proved(row: dict[str, Any]) -> bool:
    one = best(row)
    return one["train_ap"] >= FOUND and one["adjusted"] <= LEVEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="where the table goes, between its marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    plan = []
    for seed in range(options.seeds):
        for what in ("planted", "null"):
            plan.append({"what": what, "kind": "table", "k": K, "seed": seed})
    for key in kept.missing(plan):
        row = key | run(key["what"], key["seed"])
        kept.add(row)
        one = best(row)
        print(key, f"AP {one['train_ap']:.2f} p {one['adjusted']:.1e} {row['seconds']:.0f} s")
    if options.output:
        put_between_marks(options.output, "tables", tables(kept.rows))


if __name__ == "__main__":
    main()
