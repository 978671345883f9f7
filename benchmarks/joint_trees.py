"""Rules of joint surrogate trees against those of two separate trees: how many, and how good?

Breast cancer: three pairs of classifiers on random 70% of the rows, which trees are grown on, too;
rules are judged on the other 30%. Pictures: majorities of six models of either recipe where a
difference was planted (`baselines.py`); rules are made of half of the test images and judged on the
other half. F1 is that of finding the examples on which the two differ, of all splits (or seeds)
together, with a 95% bootstrap interval over splits. Beside it the same less that of separate trees
of the same depth, with leaves as small and the same rules left out.

    python benchmarks/joint_trees.py --splits 60 --seeds 10 --output docs/baselines.md
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from baselines import KINDS, models_of
from kept_rows import machine, put_between_marks
from planted import case
from proof import targets_of
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from modeldiff.baselines import Pool
from modeldiff.baselines.attributes import attributes
from modeldiff.baselines.joint_tree import Growth, Rule, covering, differences, fit, rules
from modeldiff.baselines.surrogate_trees import halves, majorities

APART = float("inf")  # of `Growth.shared`: two separate trees
CLASSIFIERS = {
    "a tree": DecisionTreeClassifier(random_state=0),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier()),
}
ALL, COVERING, REFINED = "all", "that cover an example", "refined"
DRAWS = 2000


class Setting(NamedTuple):
    """How trees grow, and which of their rules are taken."""

    depth: int
    fewest: int
    shared: float
    taken: str


class Split(NamedTuple):
    """What trees are grown on, and what rules are judged on: attributes, answers of the two."""

    x: np.ndarray
    answers: np.ndarray
    judged: np.ndarray
    differ: np.ndarray


CURVE, SOME = (0, 0.5, 0.7, 0.9, APART), (0.5, 0.9)
SETTINGS = [
    *(Setting(6, 1, shared, ALL) for shared in CURVE),
    *(Setting(6, 1, shared, COVERING) for shared in CURVE),
    *(Setting(6, 5, shared, COVERING) for shared in (*SOME, APART)),
    *(Setting(6, 5, shared, REFINED) for shared in SOME),
    *(Setting(4, 5, shared, COVERING) for shared in (*SOME, APART)),
    *(Setting(4, 5, shared, REFINED) for shared in SOME),
]


def breast_cancer(name: str, splits: int) -> Iterator[Split]:
    """A classifier against naive Bayes."""
    x, y = load_breast_cancer(return_X_y=True)
    for seed in range(splits):
        seen, unseen, labels, _ = train_test_split(x, y, train_size=0.7, random_state=seed)
        pair = (CLASSIFIERS[name].fit(seen, labels), GaussianNB().fit(seen, labels))
        answers = np.stack([one.predict(seen) for one in pair])
        differ = pair[0].predict(unseen) != pair[1].predict(unseen)
        yield Split(seen, answers, unseen, differ)


def pictures(photos: bool, seeds: int) -> Iterator[Split]:
    """Recipes of which one sees what was planted: of all kinds and seeds."""
    names = ("plain", "masked")
    for kind, k in KINDS:
        if kind.startswith("photos") == photos:
            for seed in range(seeds):
                planted = case(kind, k, seed, names)
                models = [models_of(planted, name, seed) for name in names]
                classes = [str(label) for label in range(planted.classes)]
                shown = targets_of(planted)
                key = ("benchmark", seed, *names)
                pool = Pool.of([models[0]], [models[1]], shown, classes, *key)
                x, answers = attributes(pool)[1], majorities(pool)
                made_of, judged = halves(pool)
                differ = answers[0] != answers[1]
                yield Split(x[made_of], answers[:, made_of], x[judged], differ[judged])


def found(split: Split, setting: Setting) -> list[Rule]:
    """The rules of a setting."""
    how = Growth(setting.depth, setting.fewest, setting.shared)
    if setting.taken == REFINED:
        return rules(split.x, *split.answers, how)
    every = differences(fit(split.x, *split.answers, how), {})
    return list(every) if setting.taken == ALL else covering(every, split.x)


def tally(splits: Iterator[Split]) -> np.ndarray:
    """Rules, examples that they find rightly, that they cover, and that differ: int64 [splits x
    settings x 4].
    """
    rows = []
    for split in splits:
        row = []
        for setting in SETTINGS:
            said = found(split, setting)
            covered = np.zeros(len(split.judged), bool)
            for rule in said:
                covered |= rule.covers(split.judged)
            hits = int((covered & split.differ).sum())
            row.append((len(said), hits, int(covered.sum()), int(split.differ.sum())))
        rows.append(row)
    return np.array(rows)


def cells(counts: np.ndarray) -> list[str]:
    """Of each setting: the median number of rules, F1, and F1 less that of separate trees."""
    n = len(counts)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS)
    weights = np.concatenate([np.ones((1, n), int), drawn])  # first all splits as they are
    _, hits, covered, differ = np.moveaxis(np.tensordot(weights, counts, 1), 2, 0)
    f1 = 2 * hits / (covered + differ)
    said = []
    for place, setting in enumerate(SETTINGS):
        taken = COVERING if setting.taken == REFINED else setting.taken
        separate = SETTINGS.index(setting._replace(shared=APART, taken=taken))
        cell = f"{np.median(counts[:, place, 0]):.0f}; {interval(f1[:, place])}"
        if separate != place:
            cell += f"; {interval(f1[:, place] - f1[:, separate], '+')}"
        said.append(cell)
    return said


def interval(draws: np.ndarray, sign: str = "") -> str:
    """The first, with the 95% interval of the others."""
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    return f"{draws[0]:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--splits", type=int, default=60, help="of the breast-cancer data")
    parser.add_argument("--seeds", type=int, default=10, help="of each kind of plant")
    parser.add_argument("--output", type=Path, help="where the table goes, between its marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = {}
    for name in CLASSIFIERS:
        counts = tally(breast_cancer(name, options.splits))
        columns[f"breast cancer, {name} and naive Bayes"] = cells(counts)
    columns["digits"] = cells(tally(pictures(False, options.seeds)))
    columns["photos"] = cells(tally(pictures(True, options.seeds)))
    lines = [
        f"| depth; leaf; shared; rules | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
    ]
    for setting, row in zip(SETTINGS, zip(*columns.values(), strict=True), strict=True):
        shared = "separate" if setting.shared == APART else f"{setting.shared:g}"
        label = f"{setting.depth}; {setting.fewest}; {shared}; {setting.taken}"
        lines.append(f"| {label} | {' | '.join(row)} |")
    lines += ["", f"{options.splits} splits, {options.seeds} seeds of a kind; {machine()}."]
    print("\n".join(lines))
    if options.output:
        put_between_marks(options.output, "trees", lines)


if __name__ == "__main__":
    main()
