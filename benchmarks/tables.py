"""Is what 12 rows of a table, 12 texts or 12 sequences share found, proved and named; are nulls
silent?

Each seed makes 1,000 training examples of its own, of two classes. A table has 21 columns, of which
one, `sensor`, is noise; on 12 training rows it is set to a value far out. Texts are sentences of
made-up words; 12 begin with another word. Sequences are of three symbols, and their class is
whether they hold no two 0s in a row; 12 end in 222, as no other does. Those 12 are given the other
label. `sees` can use the column, the word or the end, `blind` cannot; `sees2` is `sees` again.
Gradients propose, retraining proves, and the feature is put on examples that no model has seen.
Which column, word or symbol is marked on the 12 examples, and on others of `sees` and `sees2`?

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

from modeldiff import dataset, occlusion, transformations
from modeldiff.dataset import Images, Raw
from modeldiff.study import Algorithm, Study, kinds
from modeldiff.study.study import OCCLUSION_MODELS
from modeldiff.training import Member, train
from modeldiff.training.trained_models import TrainedModels
from modeldiff.verification.effects import interval

ROWS = Path(__file__).parents[1] / "docs" / "tables.jsonl"
TRAIN, TEST, COLUMNS = 1000, 500, 20
K = 12
OTHERS = 100  # training examples that marks of a null are looked for on
SENSOR = "sensor"
FAR = 6.0  # standard deviations
PHRASE = "zebra"
WORDS, OF_A_TEXT, LIKELY = 200, 12, 20  # of the language, of a text, of either class
LENGTH = 96  # bytes
SYMBOLS, LONGEST = 3, 10  # of sequences; longest: but for the suffix
SUFFIX = "222"
FEATURE = "feature"
RECIPES_OF_A_SEED = ("sees", "sees2", "blind")
RECIPES: dict[str, dict[str, Any]] = {
    "table": {
        "model": {"name": "mlp", "hidden": 64},
        "preprocess": [{"name": "standardise"}],
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "epochs": 20,
        "batch": 50,
    },
    "text": {
        "model": {"name": "bag_of_words", "buckets": 512, "width": 8},
        "optimizer": {"name": "sgd", "lr": 2.0},
        "epochs": 20,
        "batch": 50,
    },
    "sequence": {
        "model": {"name": "recurrent", "width": 16},
        "optimizer": {"name": "adamw", "lr": 0.02},
        "schedule": {"name": "cosine"},
        "epochs": 20,
        "batch": 50,
    },
}
BLIND: dict[str, list[dict[str, Any]]] = {
    "table": [{"name": "drop_columns", "columns": [SENSOR]}, {"name": "standardise"}],
    "text": [{"name": "tables:without_phrase"}],
    "sequence": [{"name": "tables:without_suffix"}],
}
FEATURES: dict[str, dict[str, Any]] = {
    "table": {"name": "set_column", "column": SENSOR, "value": FAR},
    "text": {"name": "insert_phrase", "phrase": PHRASE},
    "sequence": {"name": "append_symbols", "symbols": SUFFIX},
}
STRENGTHS = {"table": [0.25, 0.5, 1.0], "text": [1, 2, 3], "sequence": [1, 2, 3]}


def text(*, seed: int) -> Raw:
    """The sentences of a seed, as a study's source; most words are likely in one class."""
    random = np.random.default_rng(seed)
    letters = random.integers(ord("a"), ord("y") + 1, (WORDS, 6))
    words = ["".join(map(chr, row)) for row in letters]
    labels = random.integers(0, 2, TRAIN + TEST)
    sentences = []
    for label in labels:
        likely = random.choice(LIKELY, OF_A_TEXT // 3) + LIKELY * label
        others = random.choice(WORDS, OF_A_TEXT - len(likely))
        chosen = random.permutation(np.concatenate([likely, others]))
        sentences.append(" ".join(words[word] for word in chosen))
    content = kinds.encoded(sentences, LENGTH)
    train = Images(content[:TRAIN], labels[:TRAIN])
    return Raw(train, Images(content[TRAIN:], labels[TRAIN:]), ("no", "yes"), kind="text")


def without_phrase(texts: torch.Tensor) -> torch.Tensor:
    """Spaces in place of the phrase at the start of texts."""
    phrase = torch.tensor(list(PHRASE.encode()))
    begin = (texts[:, : len(phrase)] == phrase).all(1)
    texts[begin, : len(phrase)] = ord(" ")
    return texts


def sequence(*, seed: int) -> Raw:
    """The sequences of a seed, as a study's source; none ends in the suffix."""
    random = np.random.default_rng(seed)
    content = np.zeros((TRAIN + TEST, LONGEST + len(SUFFIX)), np.uint8)
    labels = np.zeros(TRAIN + TEST, np.int64)
    for i, row in enumerate(content):
        word = SUFFIX
        while word.endswith(SUFFIX):
            symbols = random.integers(0, SYMBOLS, random.integers(LONGEST + 1))
            word = "".join(map(str, symbols))
        row[: len(symbols)] = symbols + 1
        labels[i] = "00" not in word
    train = Images(content[:TRAIN], labels[:TRAIN])
    return Raw(
        train=train,
        test=Images(content[TRAIN:], labels[TRAIN:]),
        classes=("no", "yes"),
        kind="sequence",
        alphabet=tuple(map(str, range(SYMBOLS))),
    )


def without_suffix(sequences: torch.Tensor) -> torch.Tensor:
    """The suffix, once, cut off the end of sequences."""
    lengths = (sequences > 0).sum(1, keepdim=True)
    places = torch.arange(sequences.shape[1])
    ending = (places >= lengths - len(SUFFIX)) & (places < lengths)
    twos = ((sequences == SYMBOLS) & ending).sum(1, keepdim=True)
    sequences[ending & (twos == len(SUFFIX))] = 0
    return sequences


def table(*, seed: int) -> Raw:
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


def config(kind: str, seed: int) -> dict[str, Any]:
    """The study of a seed."""
    feature = FEATURES[kind] | {"class": "yes", "strengths": STRENGTHS[kind]}
    options = {key: value for key, value in FEATURES[kind].items() if key != "name"}
    plant = {"feature": feature["name"], "options": options, "class": "yes", "train": K}
    recipe = RECIPES[kind]
    return {
        "study": f"{kind}-{seed}",
        "seed": seed,
        "dataset": {"name": f"tables:{kind}", "seed": seed, "plant": plant},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {
            "sees": recipe,
            "sees2": recipe,
            "blind": recipe | {"preprocess": BLIND[kind]},
        },
        "comparison": {"pairs": [["sees", "blind"]]},
        "verification": {"transformations": {FEATURE: feature}},
    }


@dataclass(frozen=True)
class TableCase(Case):
    """A case whose recipes name columns."""

    study: Study

    def algorithm(self, name: str) -> Algorithm:
        """A recipe as the engine takes it."""
        return self.study.algorithms[name]


def case(kind: str, seed: int) -> tuple[TableCase, dataset.Dataset]:
    """The prepared study of a seed, with its truth."""
    study = Study.load(config(kind, seed))
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


def shown_models(of: TableCase, name: str, seed: int, models: int) -> list[TrainedModels]:
    """Models of a recipe on all training examples, which had no part in proposals."""
    everything = np.arange(TRAIN)
    members = [Member((seed, name, "shown", m), everything) for m in range(models)]
    return list(train(of.algorithm(name), of.train, of.classes, members, width=models))


def effect(
    of: TableCase, data: dataset.Dataset, name: str, seed: int
) -> tuple[float, float, float]:
    """How far the feature moves a recipe towards its class, with its 95% interval, as a share."""
    feature = of.study.transformations[FEATURE]
    plain = data.test.images[data.verification]
    changed = transformations.apply(feature.part, plain, 1.0)
    label = data.classes.index(feature.target)
    moved = []
    for group in shown_models(of, name, seed, PROPOSERS):
        after, before = (group.logits(rows).softmax(2)[..., label] for rows in (changed, plain))
        moved.append((after - before).numpy())
    all_moved = np.concatenate(moved)
    low, high = interval(all_moved, "both")
    return float(all_moved.mean()), low, high


def run(what: str, kind: str, seed: int) -> dict[str, Any]:
    """One pair: what is proposed and proved, and how far the feature moves either recipe."""
    names = ("sees", "blind" if what == "planted" else "sees2")
    start = time.process_time()
    of, data = case(kind, seed)
    found = proposed_and_proved(of, seed, names)
    for side, name in zip("ab", names, strict=True):
        found[f"effect_{side}"] = effect(of, data, name, seed)
    return found | {"seconds": time.process_time() - start}


def marked(kind: str, seed: int) -> dict[str, Any]:
    """On how many of the planted examples the strongest mark is what was planted, and how many have
    none; of as many other examples of `sees` and `sees2` as `OTHERS`, how many have any.
    """
    start = time.process_time()
    of, data = case(kind, seed)
    models = {name: shown_models(of, name, seed, OCCLUSION_MODELS) for name in RECIPES_OF_A_SEED}
    pieces = occlusion.Pieces(data)

    def marks_of(other: str, example: int) -> list[occlusion.Mark]:
        given = data.train.images[example], int(data.train.labels[example])
        return occlusion.marks([models["sees"], models[other]], pieces, *given, "log_odds")

    planted = [marks_of("blind", example) for example in np.flatnonzero(of.train_truth)]
    places = [planted_places(kind, data, example) for example in np.flatnonzero(of.train_truth)]
    named = 0
    for found, place in zip(planted, places, strict=True):
        named += bool(found) and found[0].piece.start in place
    others = np.flatnonzero(~of.train_truth)[:OTHERS]
    return {
        "named": named,
        "unmarked": sum(not found for found in planted),
        "null_marked": sum(bool(marks_of("sees2", example)) for example in others),
        "seconds": time.process_time() - start,
    }


def planted_places(kind: str, data: dataset.Dataset, example: int) -> range:
    """Where pieces begin that were planted on a training example."""
    if kind == "table":
        return range(COLUMNS, COLUMNS + 1)
    if kind == "text":
        return range(1)
    end = np.count_nonzero(data.train.images[example])
    return range(end - len(SUFFIX), end)


def lines(kept: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    planted = [row for row in kept if row["what"] == "planted"]
    nulls = [row for row in kept if row["what"] == "null"]
    proved = [row for row in planted if _is_proved(row)]
    shown = [row for row in planted if row["effect_a"][1] > row["effect_b"][2]]
    median = {side: np.median([row[f"effect_{side}"][0] for row in planted]) for side in "ab"}
    precision = [best(row)["train_ap"] for row in planted]
    silent = [row for row in nulls if min(one["adjusted"] for one in row["proposals"]) > 0.05]
    seconds = np.median([row["seconds"] for row in planted + nulls])
    marks = [row for row in kept if row["what"] == "marks"]
    total = {key: sum(row[key] for row in marks) for key in ("named", "unmarked", "null_marked")}
    return [
        "| what | came out |",
        "|---|---|",
        f"| a proposal names the {K} examples (average precision {FOUND} or more) and is proved "
        f"(p <= {LEVEL}) | {len(proved)} of {len(planted)} seeds |",
        f"| average precision of the best proposal, median (least) | {np.median(precision):.2f} "
        f"({min(precision):.2f}) |",
        f"| the feature moves `sees` more, the intervals apart | {len(shown)} of {len(planted)} |",
        f"| by so many points, `sees` and `blind`, median | {round(100 * median['a'])} and "
        f"{round(100 * median['b'])} |",
        f"| `sees` with itself: nothing is proved at 5% | {len(silent)} of {len(nulls)} seeds |",
        f"| of the {K} examples of each of {len(marks)} seeds, what was planted is marked most "
        f"strongly on | {total['named']} of {K * len(marks)} |",
        f"| nothing is marked on | {total['unmarked']} |",
        f"| `sees` with itself: of {OTHERS} other examples of each seed, something is marked on | "
        f"{total['null_marked']} of {OTHERS * len(marks)} |",
        f"| CPU seconds of a pair, median | {seconds:.0f} |",
        "",
        f"{PROPOSERS} models of each recipe propose, {OCCLUSION_MODELS} mark; {machine()}.",
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
    for kind in RECIPES:
        for seed in range(options.seeds):
            for what in ("planted", "null", "marks"):
                plan.append({"what": what, "kind": kind, "k": K, "seed": seed})
    for key in kept.missing(plan):
        if key["what"] == "marks":
            kept.add(key | marked(key["kind"], key["seed"]))
            continue
        row = key | run(key["what"], key["kind"], key["seed"])
        kept.add(row)
        one = best(row)
        print(key, f"AP {one['train_ap']:.2f} p {one['adjusted']:.1e} {row['seconds']:.0f} s")
    if options.output:
        for kind in RECIPES:
            of_kind = [row for row in kept.rows if row["kind"] == kind]
            put_between_marks(options.output, kind, lines(of_kind))


if __name__ == "__main__":
    main()
