"""Where two algorithms differ, in the models that are there of a study that is still training.

The contrast of `modeldiff.comparison`, on those models that both have of the same subsets. It is a
look ahead, not a finding: who looks often enough sees chance stand out once. The comparison that
the study makes in the end is the test.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import dataset
from modeldiff.comparison import contrast
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.planning.models_so_far import some_of, whole_shards
from modeldiff.study import Study, stages
from modeldiff.study.sizes import FEWEST_COMPARED

MOST_MODELS = 1000
MOST_EXAMPLES = 5000  # training examples: memory goes with their square
EXCHANGES = 19
SHOWN = 5  # examples of the first direction
CAUTION = (
    "a look ahead: of many looks one may stand out by chance, and the comparison at the end tests"
)


@dataclass(frozen=True)
class DifferenceSoFar:
    """What sets two algorithms apart in the models that are there.

    models: of each, on the same subsets. agreement, low, high: as in `comparison.Agreement`; NaN
    where it is not known. p_value: of the first direction, by `EXCHANGES` exchanges.
    train_examples: its strongest training examples, strongest first; test_examples: of the test
    examples.
    """

    models: int
    agreement: float
    low: float
    high: float
    p_value: float
    train_examples: list[int]
    test_examples: list[int]


def read(folder: str | Path) -> dict[tuple[str, str], DifferenceSoFar | None]:
    """Of each pair whose algorithms both get datamodels; None where it cannot be known yet.

    That is with fewer than `FEWEST_COMPARED` models, or more than `MOST_EXAMPLES` training
    examples. folder: of a study's results. Time and memory: as a contrast of at most `MOST_MODELS`.
    """
    folder = Path(folder)
    study = Study.recorded(folder / stages.STUDY)
    found = {}
    for a, b in study.pairs:
        if {a, b} <= {*study.fitted}:
            found[a, b] = _of(study, folder, a, b)
    return found


def _of(study: Study, folder: Path, a: str, b: str) -> DifferenceSoFar | None:
    """See `read`."""
    prepared = folder / stages.path("dataset")
    try:
        manifest = dataset.read_manifest(prepared, study.key("dataset"))
        trained_on = dataset.digest(prepared)
    except CorruptArtifact:
        return None
    n_train = manifest["train"]
    if n_train > MOST_EXAMPLES:
        return None
    masks, margins_a = _first(study, folder, a, trained_on, n_train)
    _, margins_b = _first(study, folder, b, trained_on, n_train)
    both = [model for model in masks if model in margins_b][:MOST_MODELS]
    if len(both) < FEWEST_COMPARED:
        return None
    try:
        compared = contrast(
            np.stack([masks[model] for model in both]),
            np.stack([margins_a[model] for model in both]),
            np.stack([margins_b[model] for model in both]),
            directions=1,
            penalty=study.comparison.penalty,
            permutations=EXCHANGES,
            seed=study.seed,
        )
    except UserError:  # too few are finite, or nothing differs
        return None
    assert compared.agreement is not None
    targets = np.array(manifest["targets"])
    return DifferenceSoFar(
        models=len(both),
        agreement=compared.agreement.value,
        low=compared.agreement.low,
        high=compared.agreement.high,
        p_value=float(compared.p_value[0]),
        train_examples=np.argsort(-compared.directions[0])[:SHOWN].tolist(),
        test_examples=targets[np.argsort(-compared.projections[:, 0])[:SHOWN]].tolist(),
    )


ByModel = dict[int, np.ndarray]


def _first(
    study: Study, folder: Path, name: str, trained_on: str, n_train: int
) -> tuple[ByModel, ByModel]:
    """Masks and margins of the first models that are no evaluation models, by their numbers."""
    masks: ByModel = {}
    margins: ByModel = {}
    for shard in whole_shards(study, folder, name, trained_on):
        models = np.arange(max(shard.start, study.evaluation_models), shard.stop)
        models = models[: MOST_MODELS - len(masks)]
        if len(models):
            of_shard = some_of(study, shard, n_train, models)
            masks |= dict(zip(models.tolist(), of_shard[0], strict=True))
            margins |= dict(zip(models.tolist(), of_shard[1], strict=True))
    return masks, margins


def as_json(found: dict[tuple[str, str], DifferenceSoFar | None]) -> list[dict[str, Any]]:
    """For programs: an entry for each pair; only its names where nothing is known."""
    entries = []
    for (a, b), known in found.items():
        entry: dict[str, Any] = {"a": a, "b": b}
        if known is not None:
            for name, value in asdict(known).items():
                unknown = isinstance(value, float) and math.isnan(value)
                entry[name] = None if unknown else value
        entries.append(entry)
    return entries


def lines(found: dict[tuple[str, str], DifferenceSoFar | None]) -> Iterator[str]:
    """For people."""
    for (a, b), known in found.items():
        if known is None:
            yield (
                f"difference so far of {a} and {b}: not yet; it needs {FEWEST_COMPARED} models of "
                f"both, and at most {MOST_EXAMPLES:,} training examples"
            )
            continue
        alike = "not known"
        if np.isfinite(known.agreement):
            alike = f"{known.agreement:.2f} [{known.low:.2f}, {known.high:.2f}]"
        yield (
            f"difference so far of {a} and {b}: agreement {alike}, first direction p = "
            f"{known.p_value:.2g} of at least {1 / (EXCHANGES + 1):.2g}, from {known.models:,} "
            f"models of each; training examples {_list(known.train_examples)}, test examples "
            f"{_list(known.test_examples)}"
        )
    if any(found.values()):
        yield f"  {CAUTION}"


def _list(examples: list[int]) -> str:
    return ", ".join(map(str, examples))
