"""The LDS of a study that is still training, from the models that are there.

Datamodels are learned by multiplicative weights, in one pass over the shards that are whole and in
memory that no number of models changes, whatever the study's own estimator is. Jobs end in any
order: besides the evaluation models, which may come last, a tenth of the others judge, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modeldiff import dataset
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.datamodels import lds, multiplicative_weights
from modeldiff.planning.models_so_far import Shard, some_of, whole_shards
from modeldiff.study import Study, stages

FEWEST = 10  # models to learn from, and models to judge by
MOST_JUDGES = 500
MOST_TARGETS = 100
WORK = 1 << 30  # norms x targets x examples x models from which on fewer targets are taken
FEWEST_TARGETS = 10
# What a model that is no evaluation model is there for, by the last digit of its number.
CHOOSES = 9  # norms
JUDGES = 4  # the LDS; datamodels are learned from all others
INTERVAL = "intervals: 95%, over the models it is judged by; not over which models it comes from"


@dataclass(frozen=True)
class LdsSoFar:
    """How well datamodels of some of the models that are there predict others.

    models: that datamodels come from; there: models of whole shards; judges: subsets of the models
    that predictions are compared with; n_targets: that datamodels were learned for, spread evenly
    over all targets. mean, low, high: as in `Lds`.
    """

    mean: float
    low: float
    high: float
    models: int
    there: int
    judges: int
    n_targets: int
    targets_in_all: int


def read(folder: str | Path) -> dict[str, LdsSoFar | None]:
    """Of each algorithm that gets datamodels; None while there are too few models.

    folder: of a study's results. Time: about 6 ns x norms x targets x examples x models.
    """
    folder = Path(folder)
    study = Study.recorded(folder / stages.STUDY)
    found = {}
    for name in study.fitted:
        found[name] = _of(study, folder, name)
    return found


def _of(study: Study, folder: Path, name: str) -> LdsSoFar | None:
    """See `read`."""
    prepared = folder / stages.path("dataset")
    try:
        n_train = dataset.read_manifest(prepared, study.key("dataset"))["train"]
        trained_on = dataset.digest(prepared)
    except CorruptArtifact:
        return None
    shards = list(whole_shards(study, folder, name, trained_on))
    learned = sum(len(_learned(study, shard)) for shard in shards)
    if learned < FEWEST:
        return None
    in_all = shards[0].margins.shape[1]
    of_each = len(multiplicative_weights.NORMS) * n_train * learned
    n_targets = min(in_all, MOST_TARGETS, max(FEWEST_TARGETS, WORK // of_each))
    targets = np.linspace(0, in_all - 1, n_targets).round().astype(int)
    try:
        fit = multiplicative_weights.stream(
            (some_of(study, shard, n_train, _learned(study, shard)) for shard in shards),
            (some_of(study, shard, n_train, _choosing(study, shard)) for shard in shards),
            examples=n_train,
            targets=targets,
            expected=learned,
        )
        score = lds(fit, *_judges(study, shards, n_train, targets))
    except UserError:  # too few models, or all of them failed
        return None
    if score.n_subsets < FEWEST:
        return None
    return LdsSoFar(
        mean=score.mean,
        low=score.low,
        high=score.high,
        models=fit.n_models,
        there=sum(shard.stop - shard.start for shard in shards),
        judges=score.n_subsets,
        n_targets=n_targets,
        targets_in_all=in_all,
    )


def _judging(study: Study, models: np.ndarray) -> np.ndarray:
    """Whether models are there to judge, bool."""
    return (models < study.evaluation_models) | (models % 10 == JUDGES)


def _learned(study: Study, shard: Shard) -> np.ndarray:
    """Numbers of the models that datamodels are learned from."""
    models = np.arange(shard.start, shard.stop)
    return models[~_judging(study, models) & (models % 10 != CHOOSES)]


def _choosing(study: Study, shard: Shard) -> np.ndarray:
    """Numbers of the models that choose norms."""
    models = np.arange(shard.start, shard.stop)
    return models[~_judging(study, models) & (models % 10 == CHOOSES)]


def _judges(
    study: Study, shards: list[Shard], n_train: int, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Masks, bool [models x examples], and margins [models x targets] of those that judge."""
    all_masks = []
    all_margins = []
    room = MOST_JUDGES
    for shard in shards:
        models = np.arange(shard.start, shard.stop)
        judges = models[_judging(study, models)][:room]
        masks, margins = some_of(study, shard, n_train, judges)
        room -= len(judges)
        all_masks.append(masks)
        all_margins.append(margins[:, targets])
    return np.concatenate(all_masks), np.concatenate(all_margins)


def lines(found: dict[str, LdsSoFar | None]) -> Iterator[str]:
    """For people."""
    for name, known in found.items():
        if known is None:
            yield (
                f"LDS so far of {name}: not yet; it needs {FEWEST} models to learn from, and "
                f"{FEWEST} others"
            )
            continue
        yield (
            f"LDS so far of {name}: {known.mean:.2f} [{known.low:.2f}, {known.high:.2f}], from "
            f"{known.models:,} of the {known.there:,} models that are there, judged by "
            f"{known.judges:,} subsets on {known.n_targets} of {known.targets_in_all:,} targets"
        )
    if any(found.values()):
        yield f"  by multiplicative weights, whatever the study's estimator; {INTERVAL}"
