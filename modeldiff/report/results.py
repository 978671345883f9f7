"""All results of a study, verified and loaded into one typed object.

Margins stay on disk and weights are read one algorithm (for a pair: two) at a time: memory does
not grow with the number of models.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import dataset, margins
from modeldiff.core import artifacts
from modeldiff.datamodels import Lds, step
from modeldiff.dataset import Dataset
from modeldiff.report import pairs, predictions
from modeldiff.report.pairs import Pair
from modeldiff.report.predictions import Predictions
from modeldiff.report.rendering import Renderer
from modeldiff.study import Study, stages
from modeldiff.unlearning import step as unlearning

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
class Results:
    """A whole study. `planted` is for the final score only.

    scores: of each algorithm whose scores come from elsewhere, the files and their SHA-256.
    left_out: of each algorithm shown features, full-data models whose outputs were not finite.
    predictions: of each algorithm, what its models say of test images, as far as that is known.
    unlearning: rows of unlearning.csv; none where it is not asked what is left of a group.
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
    unlearning: tuple[dict[str, Any], ...]

    def weights(self, name: str) -> np.ndarray:
        """What an algorithm is compared by, float32 [targets x train examples], read when asked."""
        return pairs.weights(self.study, self.folder, self.data, name)

    @cached_property
    def renderer(self) -> Renderer:
        """What renders its examples."""
        return Renderer(self.data)

    def knows_accuracy(self, pair: Pair) -> bool:
        """Whether shares of right predictions are that, not of log-odds above 0.

        Those tell only whether the right class has more than half of the probability.
        """
        if self.study.training.margin == "max" or len(self.data.classes) == 2:
            return True
        of_pair = (self.predictions[pair.a], self.predictions[pair.b])
        return all(known.predicted is not None for known in of_pair)


def read(path: str | Path) -> Results:
    """Load the results that lie beside a checked study (`study.json`).

    The study is the one that was run: the user's own code may have changed since.
    Raises CorruptArtifact, naming the file, for what is missing, damaged, or of other settings.
    """
    study = Study.recorded(path)
    folder = Path(path).parent
    manifest = folder / stages.path("dataset")
    key = study.key("dataset")
    study, data = dataset.opened(study, manifest)
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
        pairs=tuple(pairs.read(study, folder, data, a, b) for a, b in study.pairs),
        unlearning=_unlearning(study, folder),
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
        if name in study.with_checkpoints:
            sources[name] = study.code[f"checkpoints.{name}"]
        elif name in study.scores:
            record = artifacts.record(folder / stages.path("scores", name))
            sources[name] = record["sources"]
    return sources


def _unlearning(study: Study, folder: Path) -> tuple[dict[str, Any], ...]:
    if not study.unlearned:
        return ()
    return tuple(unlearning.read(study, folder / stages.path("unlearning")))


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
