"""One training job: a range of models in, one file out."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from modeldiff import dataset, subsets
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, groups
from modeldiff.study import Algorithm, Study, user_code
from modeldiff.training import building, engine
from modeldiff.training.augment import prepare
from modeldiff.training.checkpoint import JobCheckpoint, finish, resumable
from modeldiff.training.estimators import EstimatorModule
from modeldiff.training.fit import Member
from modeldiff.training.loaders import to_float
from modeldiff.training.nets import tensors
from modeldiff.training.trained_models import TrainedModels


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
    drawn = [study.subset_of(model) for model in models]
    masks = subsets.draw(len(data.train.labels), drawn, study.alpha, study.seed)
    members = {}
    for model, mask in zip(models, masks, strict=True):
        members[model] = Member(
            identity=(study.seed, name, model),
            examples=np.flatnonzero(mask),
            label=f"model {model} of {name}",
        )
    write_margins(study, name, data, members, models, output, study.key("training", name), device)


def write_margins(
    study: Study,
    name: str,
    data: Dataset,
    members: Mapping[int, Member],
    models: range,
    output: str | Path,
    key: str,
    device: str,
) -> None:
    """Train models of the algorithm `name` and write their margins on the targets, a row each.

    members: by their numbers; those of `models` that are not among them are rows of NaN. What the
    algorithm is `without` is taken out of their examples.
    key: of the output. Otherwise as `train_shard`.
    """
    members = by_size(seen(study.algorithms[name], data, members))
    numbers = list(members)
    images = data.test.images[data.targets]
    labels = data.test.labels[data.targets]
    how = _how(study, data, models, device)
    with resumable(output, key, *how) as done:
        resumed = len(done.rows)
        start = time.time()
        groups: dict[int, int] = {}  # how many groups of how many models
        for trained in _progress(study, name, data, list(members.values()), device, done):
            logits = trained.logits(images).cpu()
            targets = torch.from_numpy(labels)
            group = margin(logits, targets, study.training.margin).numpy()
            # Log-odds above 0 ask for more than to be right.
            right = margin(logits, targets, "max").numpy()
            for i, row in enumerate(right):
                cause = failure(row, labels)
                if cause is not None:
                    group[i] = np.nan
                    done.failed[str(numbers[len(done.rows) + i])] = cause
            done.rows.extend(group)
            groups[len(group)] = groups.get(len(group), 0) + 1
            done.save_if_due()
        facts: dict[str, Any] = {
            "algorithm": name,
            "models": [models.start, models.stop],
            "failed": done.failed,
            "margin": study.training.margin,
            "data": data.digest,
            "resumed_at": resumed,
            "models_per_second": (len(members) - resumed) / (time.time() - start),
            "trained_at_once": groups,
        }
        finish()
        rows = np.full((len(models), len(labels)), np.nan, np.float32)
        if members:
            rows[np.array(numbers) - models.start] = done.rows
        with artifacts.write(output, key, **facts) as file:
            np.save(file, rows)


def train_full(
    study: Study, name: str, data: Dataset, models: range, output: str | Path, *, device: str
) -> None:
    """Train `models` of the algorithm `name` on the full training set and write their weights.

    output: .npz, each of the module's tensors with a leading model axis. Their randomness is
    not that of the subset models of the same number. An interrupted call continues, like
    `train_shard`. Memory: twice the weights of `models`.
    """
    everything = np.arange(len(data.train.labels))
    numbered = {}
    for model in models:
        numbered[model] = Member(
            identity=(study.seed, name, "full", model),
            examples=everything,
            label=f"full-data model {model} of {name}",
        )
    members = list(seen(study.algorithms[name], data, numbered).values())
    key = study.key("full", name)
    how = _how(study, data, models, device)
    algorithm = study.algorithms[name]
    module = building.architecture(algorithm, data.train.images.shape[1:], len(data.classes))
    layout = {each: tensor.detach().numpy() for each, tensor in tensors(module).items()}
    with resumable(output, key, *how) as done:
        for trained in _progress(study, name, data, members, device, done):
            arrays = [trained.state[each].cpu().contiguous().numpy() for each in layout]
            done.rows.extend(_packed(arrays))
            done.save_if_due()
        finish()
        facts = {"models": [models.start, models.stop], "data": data.digest}
        with artifacts.write(output, key, **facts) as file:
            artifacts.write_arrays(file, _unpacked(done.rows, layout))


def seen(algorithm: Algorithm, data: Dataset, members: Mapping[int, Member]) -> dict[int, Member]:
    """The members, without the examples that models of the algorithm are never trained on."""
    if algorithm.without is None:
        return dict(members)
    kept = ~groups.members(data, algorithm.without)
    left = {}
    for number, member in members.items():
        examples = member.examples[kept[member.examples]]
        if not len(examples):
            raise UserError(f"{member.label}: has no example left without {algorithm.without}")
        left[number] = member._replace(examples=examples)
    return left


def by_size(members: Mapping[int, Member]) -> dict[int, Member]:
    """Members of equally many examples one after another: those can be trained at once."""
    return dict(sorted(members.items(), key=lambda item: len(item[1].examples)))


def forgotten(algorithm: Algorithm, data: Dataset) -> np.ndarray | None:
    """Which training examples the algorithm is to forget: bool [n_train]; None if it is not."""
    return None if algorithm.forget is None else groups.members(data, algorithm.forget)


def _packed(arrays: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Each model as the bytes of its tensors, which are of several types."""
    for model in range(len(arrays[0])):
        parts = [array[model].reshape(-1).view(np.uint8) for array in arrays]
        yield np.concatenate(parts)


def _unpacked(
    rows: Sequence[np.ndarray], layout: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Tensors with a leading model axis, of the names, types and shapes of `layout`."""
    state = {}
    start = 0
    for name, like in layout.items():
        stop = start + like.nbytes
        content = np.stack([row[start:stop] for row in rows])
        state[name] = content.view(like.dtype).reshape(-1, *like.shape)
        start = stop
    return state


def load_full(
    study: Study,
    name: str,
    data: Dataset,
    paths: Sequence[str | Path],
    *,
    device: str,
    first: int = sys.maxsize,
    skip: int = 0,
) -> Iterator[TrainedModels]:
    """The models that `train_full` wrote, a file at a time.

    first: only so many of them; skip: without so many before those.
    """
    algorithm = study.algorithms[name]
    shape = data.train.images.shape[1:]
    module = building.architecture(algorithm, shape, len(data.classes))
    batched = building.batches(algorithm, module, data.train, len(data.classes), device)
    for path in paths:
        if first == 0:
            return
        arrays = artifacts.arrays(path, study.key("full", name))
        dataset.check_trained_on(path, data.digest)
        held = len(next(iter(arrays.values())))
        start = min(skip, held)
        stop = min(start + first, held)
        skip -= start
        first -= stop - start
        if start < stop:
            state = {}
            for each, array in arrays.items():
                state[each] = torch.from_numpy(array[start:stop]).to(device)
            if isinstance(module, EstimatorModule):
                module = building.architecture(algorithm, shape, len(data.classes))
                _refit(module, algorithm, data, state["seed"])
            yield TrainedModels(algorithm, module, state, batched, str(path))


def _refit(module: nn.Module, algorithm: Algorithm, data: Dataset, seeds: Tensor) -> None:
    """Fit classifiers of scikit-learn's again, to all data that the algorithm sees."""
    assert isinstance(module, EstimatorModule)
    everything = Member(identity=(), examples=np.arange(len(data.train.labels)))
    examples = seen(algorithm, data, {0: everything})[0].examples
    images = prepare(algorithm, to_float(torch.from_numpy(data.train.images[examples])))
    labels = torch.from_numpy(data.train.labels[examples])
    with user_code.running(algorithm.model.name, "in use"):
        for seed in seeds.tolist():
            module.fit(images, labels, seed)


def failure(margins: np.ndarray, labels: np.ndarray) -> str | None:
    """Why a model with these margins [targets] of kind "max" cannot be used; None if it can.

    Accuracy is the mean over classes of the share of correct targets. Chance is what any constant
    prediction reaches: one over the number of classes.
    """
    if not np.isfinite(margins).all():
        return "diverged: outputs are not finite"
    correct = margins > 0
    of_classes = [float(correct[labels == label].mean()) for label in np.unique(labels)]
    classes = len(of_classes)
    accuracy = sum(of_classes) / classes
    if accuracy <= 1 / classes + 1e-9:
        return f"no better than chance: mean accuracy over {classes} classes {accuracy:.3f}"
    return None


def _how(study: Study, data: Dataset, models: range, device: str) -> tuple[object, ...]:
    """What the bytes of trained models depend on besides the study's settings."""
    return models, study.training.width, study.training.compile, device, data.digest


def _progress(
    study: Study,
    name: str,
    data: Dataset,
    members: Sequence[Member],
    device: str,
    done: JobCheckpoint,
) -> Iterator[TrainedModels]:
    """Train those that are not in `done`, with a progress bar on standard error."""
    first = len(done.rows)
    algorithm = study.algorithms[name]
    width = study.training.width
    assert width != "auto"  # a job is told its width: see `Study.at_width`
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
            width=width,
            device=device,
            compiled=study.training.compile,
            kept=done,
            ended=ended,
            forget=forgotten(algorithm, data),
        ):
            yield trained
            bar.update(trained.models)
