"""What other ways to compare two recipes see of a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.baselines.methods import unit
from modeldiff.baselines.step import COLUMNS, RULE_COLUMNS
from modeldiff.core import artifacts
from modeldiff.exchange import LEVEL, Named
from modeldiff.study import Study, stages

TEXTS = ("method", "measure", "rule", "a", "b")
COUNTS = ("models_a", "models_b", "images", "differ")


@dataclass(frozen=True)
class Measured:
    """What one measure says of a pair.

    row: of baselines.csv, by its columns. seconds: that it took. named: numbers of the test images
    that it names, the surest first, int64; None where it is not known by image.
    """

    row: dict[str, Any]
    seconds: float
    named: np.ndarray | None

    @property
    def unit(self) -> str:
        """What a distance is."""
        return unit(self.row["method"], self.row["measure"])

    @property
    def differs(self) -> bool:
        """Whether it tells the two apart, all measures counted."""
        return bool(self.row["adjusted"] <= LEVEL)


@dataclass(frozen=True)
class NamedWord:
    """A word on which the recipes differ, uint8 [length] as sequences are kept; how many models of
    either accept it; and its p-value, corrected for all words.
    """

    word: np.ndarray
    accepted_a: int
    accepted_b: int
    p_value: float


@dataclass(frozen=True)
class Baselines:
    """What all measures say of a pair. looked_at: numbers of the test images, int64, rising.

    failed: models of either that were left out. rules: of rules.csv, by its columns. words: on
    which the recipes differ by their automata; None where these were not asked for.
    """

    measured: tuple[Measured, ...]
    looked_at: np.ndarray
    failed: tuple[int, int]
    rules: tuple[dict[str, Any], ...]
    words: tuple[NamedWord, ...] | None


def read(study: Study, folder: Path, a: str, b: str) -> Baselines | None:
    """Of a pair; None where no other ways are asked for."""
    if (a, b) not in study.with_baselines:
        return None
    key = study.key("baselines", a, b)
    path = folder / stages.path("baselines", a, b)
    images = artifacts.arrays(folder / stages.path("named", a, b), key)
    record = artifacts.record(path)
    measured = []
    for row in _table(path, key, COLUMNS):
        name = row["measure"]
        chosen = None
        if f"{name}.scores" in images:
            found = Named(images[f"{name}.scores"], images[f"{name}.p_values"])
            chosen = images["images"][found.chosen]
        measured.append(Measured(row, record["seconds_of"][name], chosen))
    rules = folder / stages.path("rules", a, b)
    return Baselines(
        measured=tuple(measured),
        looked_at=images["images"],
        failed=tuple(record["failed"]),
        rules=tuple(_table(rules, key, RULE_COLUMNS)),
        words=named_words(images) if "words" in images else None,
    )


def named_words(arrays: Mapping[str, np.ndarray]) -> tuple[NamedWord, ...]:
    """Words from arrays, as `baselines.step.arrays_of` makes them."""
    found = []
    for i, word in enumerate(arrays["words"]):
        accepted_a, accepted_b = arrays["accepted"][i].tolist()
        found.append(NamedWord(word, accepted_a, accepted_b, float(arrays["word_p_values"][i])))
    return tuple(found)


def _table(path: Path, key: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table; what is neither a text nor a count is a number."""
    artifacts.verify(path, key)
    with artifacts.reading(path, f"table of {path.stem}"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)  # a class may be called "NA"
        table = table[[*columns]].astype({name: int for name in COUNTS if name in columns})
        numbers = [name for name in columns if name not in (*TEXTS, *COUNTS)]
        rows: list[dict[str, Any]] = table.astype(dict.fromkeys(numbers, float)).to_dict("records")
    return rows
