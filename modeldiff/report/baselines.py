"""What other ways to compare two recipes see of a pair."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.baselines.exchange import LEVEL, Named
from modeldiff.baselines.methods import known_as
from modeldiff.baselines.step import COLUMNS
from modeldiff.core import artifacts
from modeldiff.study import Study, stages

TEXTS = ("method", "measure")
COUNTS = ("models_a", "models_b", "images")


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
        return known_as(self.row["measure"])

    @property
    def differs(self) -> bool:
        """Whether it tells the two apart, all measures counted."""
        return bool(self.row["adjusted"] <= LEVEL)


@dataclass(frozen=True)
class Baselines:
    """What all measures say of a pair. looked_at: numbers of the test images, int64, rising.

    failed: models of either that were left out.
    """

    measured: tuple[Measured, ...]
    looked_at: np.ndarray
    failed: tuple[int, int]


def read(study: Study, folder: Path, a: str, b: str) -> Baselines | None:
    """Of a pair; None where no other ways are asked for."""
    if (a, b) not in study.with_baselines:
        return None
    path = folder / stages.path("baselines", a, b)
    key = study.key("baselines", a, b)
    artifacts.verify(path, key)
    record = artifacts.record(path)
    arrays = artifacts.arrays(folder / stages.path("named", a, b), key)
    types = dict.fromkeys(COLUMNS, float) | dict.fromkeys(TEXTS, str) | dict.fromkeys(COUNTS, int)
    with artifacts.reading(path, "table of baselines"):
        table = pd.read_csv(path, dtype=types, keep_default_na=False)[[*COLUMNS]]
        images = arrays["images"]
        measured = []
        for row in table.to_dict("records"):
            name = row["measure"]
            chosen = None
            if f"{name}.scores" in arrays:
                found = Named(arrays[f"{name}.scores"], arrays[f"{name}.p_values"])
                chosen = images[found.chosen]
            measured.append(Measured(row, record["seconds_of"][name], chosen))
    return Baselines(tuple(measured), images, tuple(record["failed"]))
