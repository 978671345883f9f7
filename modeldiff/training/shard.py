"""One training job: a range of models in, one file out."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from modeldiff import dataset, subsets
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.study import Study
from modeldiff.training import engine
from modeldiff.training.checkpoint import Partial, finish, resumable
from modeldiff.training.engine import TrainedModels
from modeldiff.training.fit import Member
from modeldiff.training.nets import tensors


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
    or no better than chance) is a row of NaN, and its cause is in the record. Finished
    models are saved beside it: an interrupted call continues from there, to the same bytes.
    """
    if len(models) == 0 or models.stop > study.models:
        raise UserError(
            f"models {models.start}:{models.stop}: must be a range within 0:{study.models}"
        )
    masks = subsets.draw(
        len(data.train.labels), [study.subset_of(m) for m in models], study.alpha, study.seed
    )
    members = [
        Member((study.seed, name, m), np.flatnonzero(mask), f"model {m} of {name}")
        for m, mask in zip(models, masks, strict=True)
    ]
    write_margins(study, name, data, members, models, output, study.key("training", name), device)


def write_margins(
    study: Study,
    name: str,
    data: Dataset,
    members: Sequence[Member],
    models: range,
    output: str | Path,
    key: str,
    device: str,
) -> None:
    """Train `members` of the algorithm `name` and write their margins on the targets, a row each.

    models: their numbers. key: of the output. Otherwise as `train_shard`.
    """
    images, labels = data.test.images[data.targets], data.test.labels[data.targets]
    how = _how(study, data, models, device)
    with resumable(output, key, *how) as done:
        resumed, start = len(done.rows), time.time()
        groups: dict[int, int] = {}  # how many groups of how many models
        for trained in _progress(study, name, data, members, device, done):
            logits = trained.logits(images).cpu()
            targets = torch.from_numpy(labels)
            group = margin(logits, targets, _kind(study)).numpy()
            # Log-odds above 0 ask for more than to be right.
            right = margin(logits, targets, "max").numpy()
            failed = {i: cause for i, row in enumerate(right) if (cause := failure(row, labels))}
            group[list(failed)] = np.nan
            done.failed |= {str(models[len(done.rows) + i]): c for i, c in failed.items()}
            done.rows.extend(group)
            groups[len(group)] = groups.get(len(group), 0) + 1
            done.save_if_due()
        facts: dict[str, Any] = {
            "algorithm": name,
            "models": [models.start, models.stop],
            "failed": done.failed,
            "margin": _kind(study),
            "data": data.digest,
            "resumed_at": resumed,
            "models_per_second": (len(models) - resumed) / (time.time() - start),
            "trained_at_once": groups,
        }
        finish()
        with artifacts.write(output, key, **facts) as file:
            np.save(file, np.stack(done.rows).astype(np.float32))


def train_full(
    study: Study, name: str, data: Dataset, models: range, output: str | Path, *, device: str
) -> None:
    """Train `models` of the algorithm `name` on the full training set and write their weights.

    output: .npz, each of the module's tensors with a leading model axis. Their randomness is
    not that of the subset models of the same number. An interrupted call continues, like
    `train_shard`. Memory: twice the weights of `models`.
    """
    everything = np.arange(len(data.train.labels))
    members = [
        Member((study.seed, name, "full", m), everything, f"full-data model {m} of {name}")
        for m in models
    ]
    key, how = study.key("full", name), _how(study, data, models, device)
    own = engine.architecture(
        study.algorithms[name], data.train.images.shape[1:], len(data.classes)
    )
    layout = {each: tensor.detach().numpy() for each, tensor in tensors(own).items()}
    with resumable(output, key, *how) as done:
        for trained in _progress(study, name, data, members, device, done):
            arrays = [trained.state[each].cpu().contiguous().numpy() for each in layout]
            # A model is a row of the bytes of its tensors, which are of several types.
            done.rows.extend(
                np.concatenate([array[i].reshape(-1).view(np.uint8) for array in arrays])
                for i in range(len(arrays[0]))
            )
            done.save_if_due()
        finish()
        state, start = {}, 0
        for each, like in layout.items():
            bytes_ = np.stack([row[start : start + like.nbytes] for row in done.rows])
            state[each] = bytes_.view(like.dtype).reshape(-1, *like.shape)
            start += like.nbytes
        facts = {"models": [models.start, models.stop], "data": data.digest}
        with artifacts.write(output, key, **facts) as file:
            artifacts.write_arrays(file, state)


def load_full(
    study: Study,
    name: str,
    data: Dataset,
    paths: Sequence[str | Path],
    *,
    device: str,
    first: int = sys.maxsize,
) -> Iterator[TrainedModels]:
    """The models that `train_full` wrote, or the `first` of them, a file at a time."""
    algorithm = study.algorithms[name]
    module = engine.architecture(algorithm, data.train.images.shape[1:], len(data.classes))
    batched = engine.batches(algorithm, module, data.train, len(data.classes), device)
    for path in paths:
        if first == 0:
            return
        arrays = artifacts.arrays(path, study.key("full", name))
        dataset.check_trained_on(path, data.digest)
        state = {k: torch.from_numpy(v[:first]).to(device) for k, v in arrays.items()}
        first -= len(next(iter(state.values())))
        yield TrainedModels(algorithm, module, state, batched, str(path))


def failure(margins: np.ndarray, labels: np.ndarray) -> str | None:
    """Why a model with these margins [targets] of kind "max" cannot be used; None if it can.

    Accuracy is the mean over classes of the share of correct targets. Chance is what any constant
    prediction reaches: one over the number of classes.
    """
    if not np.isfinite(margins).all():
        return "diverged: outputs are not finite"
    right = [float((margins[labels == c] > 0).mean()) for c in np.unique(labels)]
    accuracy = sum(right) / len(right)
    if accuracy <= 1 / len(right) + 1e-9:
        return f"no better than chance: mean accuracy over {len(right)} classes {accuracy:.3f}"
    return None


def _how(study: Study, data: Dataset, models: range, device: str) -> tuple[object, ...]:
    """What the bytes of trained models depend on besides the study's settings."""
    training = study.config["training"]
    return models, training["width"], training["compile"], device, data.digest


def _kind(study: Study) -> str:
    kind: str = study.config["training"]["margin"]
    return kind


def _progress(
    study: Study,
    name: str,
    data: Dataset,
    members: Sequence[Member],
    device: str,
    done: Partial,
) -> Iterator[TrainedModels]:
    """Train those that are not in `done`, with a progress bar on standard error."""
    first, algorithm = len(done.rows), study.algorithms[name]
    # An epoch shows, but counts no model: hence no smoothing, which would forget its time.
    shown = {"unit": "model", "mininterval": 1, "miniters": 0, "smoothing": 0}
    with tqdm(total=len(members), initial=first, desc=name, **shown) as bar:

        def ended(epochs: int) -> None:
            bar.set_postfix_str(f"epoch {epochs}/{algorithm.epochs}", refresh=False)
            bar.update(0)

        for trained in engine.train(
            algorithm,
            data.train,
            len(data.classes),
            members[first:],
            width=study.config["training"]["width"],
            device=device,
            compiled=study.config["training"]["compile"],
            kept=done,
            ended=ended,
        ):
            yield trained
            bar.update(len(next(iter(trained.state.values()))))
