"""The datamodels of one algorithm of a study: margins and masks in, one file out."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff import files, margins
from modeldiff.datamodels import Datamodels, fit, lds
from modeldiff.subsets import Masks

if TYPE_CHECKING:
    from modeldiff.study import Study


def write(
    study: "Study",
    name: str,
    n_train: int,
    masks: str | Path,
    gathered: str | Path,
    output: str | Path,
    *,
    device: str,
) -> None:
    """Fit on all models but the evaluation models, and evaluate on those.

    masks: bit-packed, of all subsets; gathered: margins of all models. Both stay on disk.
    output: .npz, see `Datamodels.save`. Beside it `lds.npz` holds the fields of `Lds`.
    """
    files.verify(masks, study.key("subsets"))
    rows, _ = margins.read(gathered, study.key("margins", name))
    drawn = Masks.open(masks, n_train)
    held, fitted = study.evaluation_models, study.evaluation_subsets
    settings = study.config["datamodels"]
    found = fit(Masks(drawn.packed[fitted:], n_train), rows[held:], device=device, **settings)
    evaluation = drawn[np.array([study.subset_of(m) for m in range(held)])]
    quality = lds(found, evaluation, rows[:held])
    key = study.key("datamodels", name)
    with files.artefact(output, key) as file:
        found.save(file)
    with files.artefact(Path(output).with_name("lds.npz"), key) as file:
        files.write_arrays(file, {k: np.asarray(v) for k, v in asdict(quality).items()})


def read(path: str | Path, key: str) -> Datamodels:
    """Datamodels that `write` made for the settings of `key`."""
    return Datamodels.load(files.verify(path, key))
