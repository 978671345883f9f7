"""All results of a study, verified and loaded into one typed object.

Margins stay on disk and weights are read one algorithm (for a pair: two) at a time: memory does
not grow with the number of models.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff import comparison, dataset, margins
from modeldiff.comparison.agreement import Agreement
from modeldiff.comparison.class_map import ClassMap
from modeldiff.comparison.power import Power
from modeldiff.comparison.result import Chance
from modeldiff.core import artifacts
from modeldiff.datamodels import Lds, step
from modeldiff.dataset import Dataset
from modeldiff.report import baselines, mined, predictions, proofs, tables
from modeldiff.report.baselines import Baselines
from modeldiff.report.mined import Mined
from modeldiff.report.predictions import Predictions
from modeldiff.report.proofs import Proved
from modeldiff.study import Study, stages
from modeldiff.study.stage import PER
from modeldiff.verification.candidates import COLUMNS as CANDIDATES
from modeldiff.verification.effects import COLUMNS as EFFECTS

BLOCK = 1 << 24  # margins read at a time


@dataclass(frozen=True)
class AlgorithmResults:
    """What is known of one algorithm that datamodels are fitted to.

    failed: cause of each model that failed, by its number.
    accuracy: float64 [models], share of targets with a margin above 0; NaN where a model failed.
    above: float64 [targets], share of the models that did not fail whose margin is above 0.
    nonzeros: int64 [targets], training examples with a weight that is not 0.
    prior: by how much datamodels follow the gradients that they shrink towards; 0: not at all.
    """

    name: str
    failed: dict[str, str]
    accuracy: np.ndarray
    above: np.ndarray
    lds: Lds
    nonzeros: np.ndarray
    estimator: str
    unconverged: int
    prior: float

    @property
    def models(self) -> int:
        """Models trained on subsets, failed ones included."""
        return len(self.accuracy)


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
    baselines: what other ways to compare see; None where none are asked for.
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


@dataclass(frozen=True)
class Results:
    """A whole study. `planted` is for the final score only.

    scores: of each algorithm whose scores come from elsewhere, the files and their SHA-256.
    left_out: of each algorithm shown features, full-data models whose outputs were not finite.
    predictions: of each algorithm, what its models say of test images, as far as that is known.
    """

    study: Study
    folder: Path
    data: Dataset
    planted: dict[str, list[int]] | None
    algorithms: dict[str, AlgorithmResults]
    scores: dict[str, dict[str, str]]
    left_out: dict[str, int]
    predictions: dict[str, Predictions]
    pairs: tuple[Pair, ...]

    def weights(self, name: str) -> np.ndarray:
        """What an algorithm is compared by, float32 [targets x train examples], read when asked."""
        return _weights(self.study, self.folder, self.data, name)


def read(path: str | Path) -> Results:
    """Load the results that lie beside a checked study (`study.json`).

    The study is the one that was run: the user's own code may have changed since.
    Raises CorruptArtifact, naming the file, for what is missing, damaged, or of other settings.
    """
    study = Study.recorded(path)
    folder = Path(path).parent
    manifest = folder / stages.path("dataset")
    key = study.key("dataset")
    data = dataset.read(manifest, key)
    algorithms = {name: _algorithm(study, folder, name) for name in study.fitted}
    return Results(
        study=study,
        folder=folder,
        data=data,
        planted=dataset.read_manifest(manifest, key)["planted"],
        algorithms=algorithms,
        scores=_scores(study, folder),
        left_out={name: _left_out(study, folder, name) for name in study.shown},
        predictions=_predictions(study, folder, data, algorithms),
        pairs=tuple(_pair(study, folder, data, a, b) for a, b in study.pairs),
    )


def _algorithm(study: Study, folder: Path, name: str) -> AlgorithmResults:
    gathered = folder / stages.path("margins", name)
    rows, failed = margins.read(gathered, study.key("margins", name))
    accuracy, above = shares_above(rows)
    key = study.key("datamodels", name)
    fitted = step.read(folder / stages.path("datamodels", name), key)
    arrays = artifacts.arrays(folder / stages.path("lds", name), key)
    with artifacts.reading(arrays.path, "file of scores of datamodels"):
        lds = _lds(arrays, rows.shape[1])
    return AlgorithmResults(
        name=name,
        failed=failed,
        accuracy=accuracy,
        above=above,
        lds=lds,
        nonzeros=np.count_nonzero(fitted.weights, axis=1),
        estimator=fitted.estimator,
        unconverged=len(fitted.unconverged),
        prior=fitted.prior,
    )


def _scores(study: Study, folder: Path) -> dict[str, dict[str, str]]:
    sources = {}
    for name in study.compared:
        if name in study.scores:
            record = artifacts.record(folder / stages.path("scores", name))
            sources[name] = record["sources"]
    return sources


def _left_out(study: Study, folder: Path, name: str) -> int:
    predictions = folder / stages.path("predictions", name)
    artifacts.verify(predictions, study.key("predictions", name))
    failed: int = artifacts.record(predictions)["failed"]
    return failed


def _predictions(
    study: Study, folder: Path, data: Dataset, algorithms: dict[str, AlgorithmResults]
) -> dict[str, Predictions]:
    """By models trained on all images where they were shown the test images, else by margins."""
    known = {}
    labels = data.test.labels
    for name in study.compared:
        if name in study.shown:
            path = folder / stages.path("predicted", name)
            key = study.key("predictions", name)
            classes = artifacts.array(path, key, kind="i", dimensions=2)
            known[name] = predictions.of_classes(classes, labels)
        elif name in algorithms:
            one = algorithms[name]
            known[name] = predictions.of_margins(one.accuracy, one.above, data.targets, len(labels))
    return known


def shares_above(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of margins [models x targets] above 0: of each model, NaN where it failed, and of each
    target, over the others; a block of rows at a time.
    """
    at_once = max(1, BLOCK // rows.shape[1])
    of_models = []
    of_targets = np.zeros(rows.shape[1])
    for start in range(0, len(rows), at_once):
        part = np.asarray(rows[start : start + at_once])
        failed = ~np.isfinite(part).all(1)
        of_models.append(np.where(failed, np.nan, (part > 0).mean(1)))
        of_targets += (part[~failed] > 0).sum(0)
    accuracy = np.concatenate(of_models)
    finished = np.isfinite(accuracy).sum()
    return accuracy, of_targets / finished if finished else np.full_like(of_targets, np.nan)


def _lds(arrays: artifacts.Arrays, targets: int) -> Lds:
    content: dict[str, Any] = {}
    for field in fields(Lds):
        value = arrays[field.name]
        per_target = field.name.endswith("per_target")
        content[field.name] = value.reshape(targets) if per_target else value.item()
    return Lds(**content)


def _weights(study: Study, folder: Path, data: Dataset, name: str) -> np.ndarray:
    shape = (len(data.targets), len(data.train.labels))
    path = folder / stages.path(study.weights(name), name)
    return comparison.weights(study, name, path, shape)


def _pair(study: Study, folder: Path, data: Dataset, a: str, b: str) -> Pair:
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
    cosines = _cosines(_weights(study, folder, data, a), _weights(study, folder, data, b))
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
    )


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


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of `a` with that of `b`, 0 where one is zero; no copy of either."""
    norms = np.sqrt(_row_products(a, a) * _row_products(b, b))
    return _row_products(a, b) / np.where(norms > 0, norms, 1)


def _row_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b, dtype=np.float64)
