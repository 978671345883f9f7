"""A trial of a study: each of its parts on a few examples, before any real training.

What would fail after hours of training fails here in seconds. Nothing is written.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from modeldiff import transformations
from modeldiff.attribution import given_models
from modeldiff.core import rng
from modeldiff.datamodels import custom_estimator as estimators
from modeldiff.dataset import Images, loading, prepared
from modeldiff.dataset.raw import LazyImages
from modeldiff.planning import other_ways, plan
from modeldiff.study import Algorithm, Study, kinds, user_code
from modeldiff.study.columns import Column
from modeldiff.study.estimators import is_estimator
from modeldiff.study.kinds import IMAGE
from modeldiff.study.on_data import on_data
from modeldiff.training import building, contract, engine
from modeldiff.training.augment import preprocess
from modeldiff.training.fit import Member
from modeldiff.training.loaders import to_float
from modeldiff.training.shard import margin

EXAMPLES = 32  # of either split, or two of each class where that is more
MOST = 256
MODELS, TRAIN, TARGETS = 60, 20, 3  # of the noise that an estimator of the user's own is tried on


class Sample(NamedTuple):
    """A few examples of a study's data."""

    train: Images
    test: Images
    classes: tuple[str, ...]
    columns: tuple[Column, ...]  # of a table
    alphabet: tuple[str, ...]  # of sequences
    kind: kinds.Kind
    real: bool  # whether they are the study's own images, not noise of the same size


def run(study: Study) -> Iterator[str]:
    """Try every part of the study; yields a line on each, raises UserError for what fails.

    Training steps are the same as in real training, but on the CPU if there is no GPU.
    """
    sample = _sample(study)
    study = on_data(study, sample.columns, sample.alphabet, sample.train.images)
    what = "of its images" if sample.real else "of noise, as large as its images"
    yield f"  tried on    {len(sample.train.labels)} examples {sample.kind.said(what)}"
    for name, algorithm in study.algorithms.items():
        yield f"  {name}: {_algorithm(study, name, algorithm, sample)}"
    for name in study.with_checkpoints:
        shape = sample.train.images.shape[1:]
        yield f"  {name}: {given_models.tried(study, name, shape, len(sample.classes))}"
    images = kinds.unpacked(sample.test.images)
    if study.plant is not None:
        transformations.apply(study.plant.feature, images, 1.0)
    for label, each in study.transformations.items():
        transformations.apply(each.part, images, max(each.strengths))
        yield f"  {label}: applied to {sample.kind.many} at strength {max(each.strengths):g}"
    for method in other_ways.run(study, sample.test, sample.classes):
        yield f"  {method}: compares models that are not trained"
    estimator = study.regression["estimator"]
    if study.fitted and user_code.is_own(estimator):
        _estimator(study, estimator)
        yield f"  {estimator}: fits {MODELS} models, {TRAIN} examples and {TARGETS} targets"


def _algorithm(study: Study, name: str, algorithm: Algorithm, sample: Sample) -> str:
    """Train two models for two steps each, or one by the user's function, and use them."""
    gpu = bool(study.training.gpu) and torch.cuda.is_available()
    device = "cuda" if gpu else "cpu"
    _check_preprocess(algorithm, sample)
    classes = len(sample.classes)
    if not algorithm.trained:
        module = building.architecture(algorithm, sample.train.images.shape[1:], classes)
        building.batches(algorithm, module, sample.train, classes, device)
        return "its model was built and used"
    if algorithm.train is not None and study.training.gpu and not gpu:
        return f"not trained here: there is no GPU, which {algorithm.train.name} may need"
    n = len(sample.train.labels)
    stepwise = algorithm.optimizer is not None
    if stepwise:
        n = min(n, 2 * algorithm.batch)
    algorithm = replace(algorithm, epochs=1, batch=-(-n // 2))
    if algorithm.precision == "float16" and not gpu:
        algorithm = replace(algorithm, precision="float32")
    members = []
    for m in range(2 if stepwise else 1):
        identity = (study.seed, name, "trial", m)
        members.append(Member(identity, np.arange(n), label=f"a trial of {name}"))
    together = 1 if study.training.width == 1 else 2
    try:
        groups = list(
            engine.train(
                algorithm,
                sample.train,
                classes,
                members,
                width=together,
                device=device,
                forget=np.arange(len(sample.train.labels)) % 2 == 0 if algorithm.forget else None,
            )
        )
    except contract.Unchanged as error:
        return f"{error}: perhaps it needs more examples than these"
    targets = torch.from_numpy(sample.test.labels)
    for trained in groups:
        margin(trained.logits(sample.test.images).cpu(), targets, study.training.margin)
    finished = f", finished by {algorithm.finish.name}" if algorithm.finish else ""
    return _how(algorithm, groups[0].batched, together) + finished


def _how(algorithm: Algorithm, batched: bool, together: int) -> str:
    """How an algorithm's models were trained, in words."""
    if is_estimator(algorithm.model.name):
        return "fitted by scikit-learn, one model at a time"
    if algorithm.train is not None:
        return f"trained by {algorithm.train.name}, one model at a time"
    if not batched:
        return "2 steps trained, one model at a time (they cannot be batched)"
    alone = together == 1 or algorithm.precision != "float32"
    return f"2 steps trained, {'one model at a time' if alone else 'several models at once'}"


def _check_preprocess(algorithm: Algorithm, sample: Sample) -> None:
    """UserError if a step of the user's changes an image depending on the other images."""
    own = [step.name for step in algorithm.preprocess if user_code.is_own(step.name)]
    if not own:
        return
    images = to_float(torch.from_numpy(sample.train.images))
    together = preprocess(algorithm, images)[:1]
    alone = preprocess(algorithm, images[:1])
    if not torch.allclose(together, alone, atol=1e-4, equal_nan=True):
        came = "changes an image at random, or depending on the other images"
        raise user_code.refused(own[-1], "preprocess", came, "a function of each image alone")


def _estimator(study: Study, estimator: str) -> None:
    """Fit noise by an estimator of the user's own."""
    random = np.random.default_rng(study.seed)
    masks = random.random((MODELS, TRAIN)) < study.alpha
    margins = random.normal(size=(MODELS, TARGETS)).astype(np.float32)
    estimators.fit(masks, margins, estimator, np.arange(TARGETS), study.regression["tolerance"])


def _sample(study: Study) -> Sample:
    """Real examples where the source is the user's own or small, else noise."""
    part = study.dataset
    if kinds.of_source(part.name) is not IMAGE or part.name == "digits":
        raw = loading.load(part)
        kind = kinds.KINDS[raw.kind]
        study.check_data(len(raw.train.labels), len(raw.test.labels), raw.classes, kind)
        train = _few(study, raw.train, len(raw.classes))
        test = _few(study, raw.test, len(raw.classes))
        return Sample(
            train=train,
            test=test,
            classes=tuple(raw.classes),
            columns=prepared.columns_of(raw),
            alphabet=tuple(raw.alphabet),
            kind=kind,
            real=True,
        )
    known = plan.data_sizes(study)
    classes = known.classes if known else tuple(map(str, range(10)))
    side = int(part.options.get("size") or 32)
    random = np.random.default_rng(study.seed)
    n = 2 * max(EXAMPLES // 2, len(classes))
    images = random.integers(0, 256, (n, 3, side, side), np.uint8)
    noise = Images(images, np.arange(n) % len(classes))
    return Sample(
        train=noise, test=noise, classes=classes, columns=(), alphabet=(), kind=IMAGE, real=False
    )


def _few(study: Study, split: Images | LazyImages, classes: int) -> Images:
    """Up to two examples of each class, then others; an even number in all."""
    order = rng.permutation(len(split.labels), "trial", study.seed)
    labels = split.labels[order]
    first: list[int] = []
    for c in range(classes):
        first += np.flatnonzero(labels == c)[:2].tolist()
    others = np.setdiff1d(np.arange(len(order)), first)
    count = min(max(EXAMPLES, len(first)), MOST, len(order))
    chosen = order[np.concatenate([first, others])[: count - count % 2 or count].astype(int)]
    place = {int(row): i for i, row in enumerate(chosen)}
    images = np.empty((len(chosen), *split.images.shape[1:]), split.images.dtype)
    for row, image in loading.images(study.dataset, split):
        if row in place:
            images[place.pop(row)] = image
        if not place:
            break
    return Images(images, split.labels[chosen].astype(np.int64))
