"""Attributions from elsewhere, compared in place of datamodels: a file of scores, or TRAK's."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset, default_collate

from modeldiff.attribution import given_models, score_files, trak
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.study import Algorithm, Study, user_code
from modeldiff.training import building
from modeldiff.training.augment import preprocess
from modeldiff.training.loaders import to_float

BATCH = 100  # images whose gradients are taken at a time


def write(study: Study, name: str, data: Dataset, output: str | Path, *, device: str) -> None:
    """Write the scores that the algorithm `name` is compared by.

    output: .npy, float32 [targets x train examples]; its record has the SHA-256 of each file that
    they come from. device: where TRAK computes. Memory: a few times the scores. TRAK's features
    take 4 bytes x train examples x dimensions for each checkpoint, on disk, until it is done.
    Raises UserError, one line that names the file, for what cannot be used.
    """
    part = study.scores[name]
    given = study.given(name)
    output = Path(output)
    if part.name == "trak":
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".trak-") as folder:
            scores = _trak(study.algorithms[name], data, folder, device, **part.options)
    else:
        scores = _of_file(data, **part.options)
    bad = np.flatnonzero(~np.isfinite(scores).all(1))
    if len(bad):
        what = f"the scores of {len(bad)} targets are not finite, first of target {bad[0]}"
        raise UserError(f"{', '.join(given)}: {what}; all must be")
    sources = {path: _sha256(path) for path in given}
    with artifacts.write(output, study.key("scores", name), sources=sources) as file:
        np.save(file, scores)


def _of_file(data: Dataset, path: str, transposed: bool, key: str | None) -> np.ndarray:
    """The targets' rows of a file that has those, or a row for each test image."""
    scores = score_files.read(path, transposed=transposed, key=key)
    tests = len(data.test.labels)
    train = len(data.train.labels)
    wanted = (len(data.targets), train)
    if scores.shape == (tests, train):
        scores = scores[data.targets]
    if scores.shape != wanted:
        hint = "" if transposed else "; if its rows are training images, set `transposed: true`"
        raise UserError(
            f"{path}: holds {list(scores.shape)}{', transposed' if transposed else ''}; must be "
            f"{list(wanted)}, targets x training images, or {[tests, train]}, test images x "
            f"training images{hint}"
        )
    return scores.astype(np.float32)


def _trak(
    algorithm: Algorithm,
    data: Dataset,
    folder: str | Path,
    device: str,
    checkpoints: Sequence[str],
    proj_dim: int | None,
) -> np.ndarray:
    """TRAK scores of the algorithm's model, on images prepared as in use."""
    module = building.architecture(algorithm, data.train.images.shape[1:], len(data.classes))
    states = [given_models.read(path, module, algorithm.model.name) for path in checkpoints]
    train = _batches(algorithm, data.train.images, data.train.labels)
    targets = _batches(algorithm, data.test.images[data.targets], data.test.labels[data.targets])
    with user_code.running(algorithm.model.name, "TRAK"):
        return trak.scores(
            module, states, train, targets, folder, projected=proj_dim, device=device
        )


def _batches(
    algorithm: Algorithm, images: np.ndarray, labels: np.ndarray
) -> DataLoader[tuple[Tensor, ...]]:
    """Prepared images and their labels."""
    examples = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    return DataLoader(examples, BATCH, collate_fn=partial(_prepared, algorithm))


def _prepared(algorithm: Algorithm, batch: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
    """Images and labels of a batch."""
    images, labels = default_collate(list(batch))
    return preprocess(algorithm, to_float(images)), labels


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return artifacts.digest(file)
