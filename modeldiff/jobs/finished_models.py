"""The models that a study has trained so far, read from its shards before anything is gathered."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import dataset, margins
from modeldiff.core.errors import CorruptArtifact
from modeldiff.jobs import sharding
from modeldiff.study import Study, stages
from modeldiff.subsets import Masks


@dataclass(frozen=True)
class FinishedModels:
    """models: int64 [n], ascending; subset: int64 [n], the subset that each was trained on.

    margins: float32 [n x targets], memory-mapped; masks: of all subsets.
    """

    models: np.ndarray
    subset: np.ndarray
    margins: np.ndarray
    masks: Masks


def read(study: Study, name: str) -> FinishedModels | None:
    """The models of an algorithm's finished shards; None if there are none."""
    folder = Path(study.folder)
    made = sharding.finished(study, "training", (name,), folder)
    key = study.key("training", name)
    if not made:
        return None
    shards = []
    models: list[int] = []
    for start, stop in sorted(made.items()):
        shards.append(folder / stages.path("shards", name, start, stop))
        models += range(start, stop)
    prepared = folder / stages.path("dataset")
    try:
        manifest = dataset.read_manifest(prepared, study.key("dataset"))
        shape = (study.n_subsets, manifest["train"])
        masks = Masks.open(folder / stages.path("masks"), study.key("subsets"), shape)
    except CorruptArtifact:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        gathered = Path(temporary) / "margins.npy"
        margins.gather(shards, key, gathered, key, dataset.digest(prepared))
        rows, _ = margins.read(gathered, key)  # stays mapped when its name is gone
    subset = np.array([study.subset_of(model) for model in models])
    return FinishedModels(models=np.array(models), subset=subset, margins=rows, masks=masks)


class Rows:
    """Some rows of masks, unpacked only when they are read."""

    dtype = np.dtype(bool)

    def __init__(self, masks: Any, rows: slice | np.ndarray):
        self.masks = masks
        self.rows = np.arange(masks.shape[0])[rows]
        self.shape = (len(self.rows), masks.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        chosen: np.ndarray = self.masks[self.rows[rows]]
        return chosen
