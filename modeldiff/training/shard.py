"""One training job: a range of models in, one file out."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from modeldiff import files, subsets
from modeldiff.dataset import Dataset, as_float
from modeldiff.errors import UserError
from modeldiff.study import Study
from modeldiff.training import engine
from modeldiff.training.engine import Member, Trained
from modeldiff.training.partial import resumable


def margin(logits: Tensor, labels: Tensor, kind: str) -> Tensor:
    """Margin of the correct class: float32 [models x n] from logits [models x n x classes].

    kind: "max", logit_y - max of the others (ModelDiff paper); "log_odds", logit_y - logsumexp
    of the others (TRAK). labels: int64 [n].
    """
    at = labels.expand(len(logits), -1)[..., None]
    correct = logits.gather(2, at)[..., 0]
    others = logits.scatter(2, at, -torch.inf)
    return correct - (others.amax(2) if kind == "max" else others.logsumexp(2))


def train_shard(
    study: Study, name: str, data: Dataset, models: range, output: str | Path, *, device: str
) -> None:
    """Train `models` of the algorithm `name` and write their margins on the targets.

    output: .npy float32 [len(models) x targets]. A model that fails (a loss that is not finite,
    or no better than chance) is a row of NaN, and its cause stands in the record. Finished
    models are saved beside it: a call that was cut short goes on from there, to the same bytes.
    """
    if len(models) == 0 or models.stop > study.models:
        raise UserError(
            f"models {models.start}:{models.stop}: must be a range within 0:{study.models}"
        )
    masks = subsets.draw(
        len(data.train.labels), [study.subset_of(m) for m in models], study.alpha, study.seed
    )
    members = [
        Member((study.seed, name, m), np.flatnonzero(mask))
        for m, mask in zip(models, masks, strict=True)
    ]
    images, labels = data.test.images[data.targets], data.test.labels[data.targets]
    key, how = study.key("training", name), (models, study.config["training"]["width"], device)
    with resumable(output, key, *how) as done:
        resumed, start = len(done.rows), time.time()
        for trained in _progress(study, name, data, members, device, resumed):
            logits = trained.logits(as_float(images)).cpu()
            group = margin(logits, torch.from_numpy(labels), _kind(study)).numpy()
            failed = {i: cause for i, row in enumerate(group) if (cause := failure(row, labels))}
            group[list(failed)] = np.nan
            done.failed |= {str(models[len(done.rows) + i]): c for i, c in failed.items()}
            done.rows.extend(group)
            done.save_if_due()
        facts: dict[str, Any] = {
            "algorithm": name,
            "models": [models.start, models.stop],
            "failed": done.failed,
            "margin": _kind(study),
            "resumed_at": resumed,
            "models_per_second": (len(models) - resumed) / (time.time() - start),
        }
        with files.artefact(output, key, **facts) as file:
            np.save(file, np.stack(done.rows).astype(np.float32))


def train_full(
    study: Study, name: str, data: Dataset, models: range, output: str | Path, *, device: str
) -> None:
    """Train `models` of the algorithm `name` on the full training set and write their weights.

    output: .npz, each of the module's tensors with a leading model axis. Their randomness is
    not that of the subset models of the same number.
    """
    everything = np.arange(len(data.train.labels))
    members = [Member((study.seed, name, "full", m), everything) for m in models]
    groups = list(_progress(study, name, data, members, device))
    state = {k: torch.cat([g.state[k].cpu() for g in groups]).numpy() for k in groups[0].state}
    with files.artefact(output, study.key("full", name), models=[models.start, models.stop]) as f:
        files.write_arrays(f, state)


def load_full(
    study: Study, name: str, data: Dataset, paths: Sequence[str | Path], *, device: str
) -> Iterator[Trained]:
    """The models that `train_full` wrote, a file at a time."""
    algorithm = study.algorithms[name]
    module = engine.architecture(algorithm, data.train.images.shape[1:], len(data.classes))
    for path in paths:
        with np.load(files.verify(path, study.key("full", name)), allow_pickle=False) as arrays:
            state = {key: torch.from_numpy(arrays[key]).to(device) for key in arrays.files}
        yield Trained(algorithm, module, state)


def failure(margins: np.ndarray, labels: np.ndarray) -> str | None:
    """Why a model with these margins [targets] cannot be used, None if it can.

    Chance is what any constant prediction reaches: one over the number of classes, as the mean
    over classes of the share of targets that are right.
    """
    if not np.isfinite(margins).all():
        return "diverged: outputs are not finite"
    right = [float((margins[labels == c] > 0).mean()) for c in np.unique(labels)]
    accuracy = sum(right) / len(right)
    if accuracy <= 1 / len(right) + 1e-9:
        return f"no better than chance: mean accuracy over {len(right)} classes {accuracy:.3f}"
    return None


def _kind(study: Study) -> str:
    kind: str = study.config["training"]["margin"]
    return kind


def _progress(
    study: Study,
    name: str,
    data: Dataset,
    members: Sequence[Member],
    device: str,
    done: int = 0,
) -> Iterator[Trained]:
    """Train all but the first `done`, with a bar on standard error that counts models."""
    groups = engine.train(
        study.algorithms[name],
        data.train,
        len(data.classes),
        members[done:],
        width=study.config["training"]["width"],
        device=device,
    )
    with tqdm(total=len(members), initial=done, desc=name, unit="model", mininterval=1) as bar:
        for trained in groups:
            yield trained
            bar.update(len(next(iter(trained.state.values()))))
