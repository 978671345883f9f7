"""All results of a pair of algorithms: directions, effects, proofs, and what else is known."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff import comparison, occlusion
from modeldiff.comparison.agreement import Agreement
from modeldiff.comparison.class_map import ClassMap
from modeldiff.comparison.power import Power
from modeldiff.comparison.result import Chance
from modeldiff.core import artifacts
from modeldiff.dataset import Dataset
from modeldiff.occlusion import Marks
from modeldiff.report import baselines, mined, proofs, tables
from modeldiff.report.baselines import Baselines
from modeldiff.report.mined import Mined
from modeldiff.report.proofs import Proved
from modeldiff.study import Study, stages
from modeldiff.study.stage import PER
from modeldiff.verification.candidates import COLUMNS as CANDIDATES
from modeldiff.verification.effects import COLUMNS as EFFECTS


@dataclass(frozen=True)
class Way:
    """One way of a comparison, `first` less `second`; `comparison.write` documents the arrays."""

    name: str
    first: str
    second: str
    directions: np.ndarray
    projections: np.ndarray
    explained: np.ndarray
    variance_a: np.ndarray
    variance_b: np.ndarray
    interval_a: np.ndarray
    interval_b: np.ndarray
    reach_a: np.ndarray
    reach_b: np.ndarray
    train_high: np.ndarray
    train_low: np.ndarray
    test_high: np.ndarray
    test_low: np.ndarray
    p_value: np.ndarray
    significant: np.ndarray
    critical_value: np.ndarray
    overlap: np.ndarray
    second_follows: np.ndarray

    @property
    def reaches(self) -> bool:
        """Whether either algorithm reaches along any direction, noise taken out."""
        return bool(self.reach_a[:, 0].any() or self.reach_b[:, 0].any())

    def shared(self, i: int) -> int:
        """How many of direction i's strongest training examples two halves of the models share."""
        return round(float(self.overlap[i]) * self.train_high.shape[1])

    def tested(self, i: int) -> bool:
        """Whether direction i was tested: testing stops at the first that does not stand out."""
        return bool(self.significant[i] or np.isfinite(self.critical_value[i]))

    def explained_by_chance(self, i: int) -> bool:
        """Whether direction i, or one before it, was tested and does not stand out.

        Its strongest examples are then those of noise, which says nothing about the algorithms.
        """
        return bool(np.isfinite(self.p_value[i]) and not self.significant[i])


@dataclass(frozen=True)
class Pair:
    """Two algorithms compared.

    cosines: float64 [targets], of the two algorithms' datamodels; 0 where one is 0.
    effects: see `verification.effects`. power, agreement, chance, class_map: None where directions
    were not tested.
    candidates: see `candidates.propose`; empty where none are asked for. proofs: what retraining
    says of proposals; mined: features behind those that are proved; empty where none are asked for.
    baselines: what other ways to compare see; None where none are asked for. marks: words, symbols
    or columns of shown examples that set the two apart; none of images.
    """

    a: str
    b: str
    ways: tuple[Way, ...]
    cosines: np.ndarray
    effects: pd.DataFrame
    power: Power | None
    agreement: Agreement | None
    chance: Chance | None
    class_map: ClassMap | None
    candidates: pd.DataFrame
    proofs: tuple[Proved, ...]
    mined: tuple[Mined, ...]
    baselines: Baselines | None
    marks: Marks

    @property
    def name(self) -> str:
        """The pair's folder."""
        return PER["pair"].format(a=self.a, b=self.b)

    @property
    def p_value(self) -> float:
        """The smallest of all directions; NaN if they were not tested."""
        return float(min(way.p_value.min() for way in self.ways))

    @property
    def silent(self) -> bool:
        """Whether the directions were tested and none of them is significant."""
        return np.isfinite(self.p_value) and not any(w.significant.any() for w in self.ways)


def read(study: Study, folder: Path, data: Dataset, a: str, b: str) -> Pair:
    """Load what is known of a pair; CorruptArtifact as for `results.read`."""
    effects = folder / stages.path("effects", a, b)
    artifacts.verify(effects, study.key("verification", a, b))
    compared = folder / stages.path("comparison", a, b)
    arrays = artifacts.arrays(compared, study.key("comparison", a, b))
    a_minus_b, b_minus_a = comparison.WAYS
    ways = (_way(a_minus_b, a, b, arrays), _way(b_minus_a, b, a, arrays))
    with artifacts.reading(arrays.path, "comparison"):
        power = _part(Power, "power", arrays)
        agreement = _part(Agreement, "agreement", arrays)
        chance = _part(Chance, "chance", arrays)
        class_map = _part(ClassMap, "class_map", arrays)
    cosines = _cosines(weights(study, folder, data, a), weights(study, folder, data, b))
    return Pair(
        a=a,
        b=b,
        ways=ways,
        cosines=cosines,
        effects=tables.read(effects, EFFECTS),
        power=power,
        agreement=agreement,
        chance=chance,
        class_map=class_map,
        candidates=_candidates(study, folder, a, b),
        proofs=proofs.read(study, folder, a, b),
        mined=mined.read(study, folder, data, a, b),
        baselines=baselines.read(study, folder, a, b),
        marks=_marks(study, folder, a, b),
    )


def weights(study: Study, folder: Path, data: Dataset, name: str) -> np.ndarray:
    """What an algorithm is compared by, float32 [targets x train examples]."""
    shape = (len(data.targets), len(data.train.labels))
    path = folder / stages.path(study.weights(name), name)
    return comparison.weights(study, name, path, shape)


def _way(name: str, first: str, second: str, arrays: artifacts.Arrays) -> Way:
    content = {}
    for field in fields(Way)[3:]:  # those after the three names
        content[field.name] = arrays[f"{name}.{field.name}"]
    return Way(name, first, second, **content)


def _part(kind: Any, name: str, arrays: artifacts.Arrays) -> Any:
    """What a comparison's file holds beside the directions of both ways, if it does."""
    names = [field.name for field in fields(kind)]
    if f"{name}.{names[0]}" not in arrays:
        return None
    content = {}
    for field in names:
        value = arrays[f"{name}.{field}"]
        content[field] = value if value.ndim else value.item()
    return kind(**content)


def _candidates(study: Study, folder: Path, a: str, b: str) -> pd.DataFrame:
    if (a, b) not in study.tried:
        return pd.DataFrame()
    path = folder / stages.path("candidates", a, b)
    artifacts.verify(path, study.key("candidates", a, b))
    return tables.read(path, CANDIDATES)


def _marks(study: Study, folder: Path, a: str, b: str) -> Marks:
    if (a, b) not in study.occluded:
        return {}
    return occlusion.read(study, (a, b), folder / stages.path("occlusion", a, b))


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of `a` with that of `b`, 0 where one is zero; no copy of either."""
    norms = np.sqrt(_row_products(a, a) * _row_products(b, b))
    return _row_products(a, b) / np.where(norms > 0, norms, 1)


def _row_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b, dtype=np.float64)
