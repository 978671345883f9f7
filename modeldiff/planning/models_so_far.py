"""The models of a study that is still training: shards that are whole now.

Files are only read: a damaged shard is passed over, not removed, so that a run that is going on is
left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modeldiff import dataset, subsets
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.datamodels.multiplicative_weights import Models
from modeldiff.jobs import sharding
from modeldiff.study import Study, stages


@dataclass(frozen=True)
class Shard:
    """The margins of models `start` to `stop`, float32 [models x targets], memory-mapped."""

    start: int
    stop: int
    margins: np.ndarray


def whole_shards(study: Study, folder: Path, name: str, trained_on: str) -> Iterator[Shard]:
    """The shards of an algorithm that can be trusted now, in order; the others are passed over.

    trained_on: digest of the data that its models must have been trained on.
    """
    key = study.key("training", name)
    made = sharding.finished(study, "training", (name,), folder)
    done = 0
    for start in sorted(made):
        stop = min(made[start], study.models)
        path = folder / stages.path("shards", name, start, made[start])
        if start < done or stop <= start:  # jobs were cut otherwise before: no model twice
            continue
        try:
            margins = artifacts.array(path, key, kind="f", dimensions=2)
            dataset.check_trained_on(path, trained_on)
        except CorruptArtifact:
            continue
        done = stop
        yield Shard(start, stop, margins)


def some_of(study: Study, shard: Shard, n_train: int, models: np.ndarray) -> Models:
    """Some models of a shard: masks, bool [models x examples], and margins, [models x targets].

    models: their numbers. Masks are drawn, as in training: their file may come later.
    """
    subset = [study.subset_of(int(model)) for model in models]
    masks = subsets.draw(n_train, subset, study.alpha, study.seed)
    return masks, shard.margins[models - shard.start]
