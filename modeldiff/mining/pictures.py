"""What mining wrote, read back: directions with their frozen features."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.mining.evidence import STRENGTHS
from modeldiff.mining.feature import KINDS, Feature
from modeldiff.study import stages
from modeldiff.study.components import Component
from modeldiff.transformations.library import Setting

if TYPE_CHECKING:
    from modeldiff.study import Study

TEXTS = ("mover", "other", "class", "kind", "edit", "options")  # columns that are no numbers
COLUMNS = (
    "proposal", "mover", "other", "class", "kind", "tried", "change", "anywhere", "source",
    "edit", "options", "edit_strength", "strength",
    "mover_effect", "mover_low", "mover_high", "other_effect", "other_low", "other_high",
    "difference", "low", "high", "found", "attempts",
    "models_mover", "models_other", "images",
)  # fmt: skip


@dataclass(frozen=True)
class MinedFeature:
    """A feature and what it does. rows: of mined.csv, by strength; the last is what is proved."""

    feature: Feature
    rows: tuple[dict[str, Any], ...]

    @property
    def row(self) -> dict[str, Any]:
        """Its row at full strength."""
        return self.rows[-1]

    @property
    def found(self) -> bool:
        """Whether it surely moves the mover further, everything that was tried counted."""
        return bool(self.row["found"])


@dataclass(frozen=True)
class MinedDirection:
    """A proved proposal and what was mined of it.

    number: of the proposal, from 1. features: one of each kind. heat: float32 [height x width];
    heats: [shown x height x width], of the training images `sources`, int64 [shown]; images: test
    images to show features on, int64 [shown].
    """

    number: int
    features: tuple[MinedFeature, ...]
    heat: np.ndarray
    heats: np.ndarray
    sources: np.ndarray
    images: np.ndarray

    @property
    def mover(self) -> str:
        """The algorithm that follows the proposal further."""
        return str(self.features[0].row["mover"])

    @property
    def other(self) -> str:
        """The other one."""
        return str(self.features[0].row["other"])

    @property
    def label(self) -> str:
        """The class that features should move images to."""
        return str(self.features[0].row["class"])

    @property
    def found(self) -> tuple[MinedFeature, ...]:
        """Those that surely move the mover further."""
        return tuple(one for one in self.features if one.found)


def read(study: "Study", pair: tuple[str, str], table: str | Path) -> list[MinedDirection]:
    """What `step.write` wrote of a pair; CorruptArtifact if the files hold something else."""
    key = study.key("mined", *pair)
    verified = artifacts.verify(table, key)
    with artifacts.reading(table, "table of mined features"):
        content = pd.read_csv(verified, dtype=str, keep_default_na=False)  # "NA" may be a class
        numbers = {name: float for name in COLUMNS if name not in TEXTS}
        rows: list[dict[str, Any]] = content[list(COLUMNS)].astype(numbers).to_dict("records")
    arrays = artifacts.arrays(stages.beside(table, "features"), key)
    strengths = len(STRENGTHS)
    features = len(KINDS)
    pictured = len(arrays["mask"])
    if (len(rows), pictured) != (strengths * pictured, features * len(arrays["heat"])):
        raise CorruptArtifact(f"{table}: has other features than its pictures", artifact=table)
    mined = []
    for place in range(len(arrays["mask"])):
        own = tuple(rows[place * strengths : (place + 1) * strengths])
        feature = _feature(own[-1], arrays["mask"][place], arrays["picture"][place])
        mined.append(MinedFeature(feature=feature, rows=own))
    directions = []
    for place in range(len(arrays["heat"])):
        known = arrays["sources"][place] >= 0
        shown = arrays["shown"][place]
        direction = MinedDirection(
            number=int(mined[place * features].row["proposal"]),
            features=tuple(mined[place * features : (place + 1) * features]),
            heat=arrays["heat"][place],
            heats=arrays["heats"][place][known],
            sources=arrays["sources"][place][known],
            images=shown[shown >= 0],
        )
        directions.append(direction)
    return directions


def _feature(row: Mapping[str, Any], mask: np.ndarray, picture: np.ndarray) -> Feature:
    """A feature by its row of the table and its pictures."""
    setting = None
    if row["edit"]:
        options = json.loads(row["options"])
        setting = Setting(Component(row["edit"], options), row["edit_strength"])
    return Feature(
        kind=row["kind"],
        mask=mask,
        picture=picture,
        anywhere=bool(row["anywhere"]),
        source=int(row["source"]) if row["source"] >= 0 else None,
        setting=setting,
    )
