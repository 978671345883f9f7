"""Pre-trained weights: of one model, trained on classes that a study does not compare on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images
from modeldiff.dataset.raw import LazyImages, placed
from modeldiff.dataset.sources import folder
from modeldiff.study import Study
from modeldiff.training import engine
from modeldiff.training.checkpoint import finish, resumable
from modeldiff.training.fit import Member


def pretrain(
    study: Study, name: str, classes: Sequence[str], output: str | Path, *, device: str
) -> float:
    """Train one model of the algorithm `name` on `classes` of the study's folder of images.

    output: a state dict (torch's format), for `model.weights`. An interrupted call continues, like
    `train_shard`. Returns the accuracy on the test images of the classes.
    """
    if study.dataset.name != "folder":
        raise UserError(f"dataset.name: is {study.dataset.name}; pretrain needs `folder`")
    if name not in study.trained:
        raise UserError(f"algorithm {name!r}: study {study.name} has {', '.join(study.trained)}")
    path, size = study.dataset.options["path"], study.dataset.options["size"]
    raw = folder(path=path, size=size, classes=classes)
    train, test = _read(raw.train), _read(raw.test)
    everything = np.arange(len(train.labels))
    member = Member((study.seed, name, "pretrain"), everything, f"pre-training {name}")
    key = study.key("full", name)
    algorithm = study.algorithms[name]
    with (
        resumable(output, key, device, *classes) as done,
        tqdm(total=algorithm.epochs, desc=name, unit="epoch", mininterval=1) as bar,
    ):
        (trained,) = engine.train(
            algorithm,
            train,
            len(classes),
            [member],
            width=1,
            device=device,
            kept=done,
            ended=lambda epochs: bar.update(epochs - bar.n),
        )
        # Before anything is written, since a model of the user's own may fail in use.
        predicted = trained.logits(test.images)[0].argmax(1).cpu().numpy()
        finish()
        with artifacts.write(output, key, classes=list(classes)) as file:
            torch.save({k: v[0].cpu().clone() for k, v in trained.state.items()}, file)
    return float((predicted == test.labels).mean())


def _read(split: Images | LazyImages) -> Images:
    images = np.empty(split.images.shape, np.uint8)
    for place, image in placed(split):
        images[place] = image
    return Images(images, split.labels)
