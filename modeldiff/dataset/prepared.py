"""A prepared data set: written once, verified whenever it is read.

Images are uint8 [n x channels x height x width], labels int64 [n]. The test images are divided
once into targets (a datamodel each; directions are found on them) and verification images
(effects are measured on them).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modeldiff import components, files, keyed, transformations
from modeldiff.dataset.sources import BUILT_IN, Images, Raw
from modeldiff.errors import UserError

if TYPE_CHECKING:
    from modeldiff.study import Plant, Study


@dataclass(frozen=True)
class Dataset:
    """A prepared data set, read from disk.

    targets, verification: int64 indices of test examples; together all of them, in rising order.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    targets: np.ndarray
    verification: np.ndarray


def prepare(study: "Study", output: str | Path) -> None:
    """Write the manifest `output`, and `train.npz` and `test.npz` beside it."""
    output = Path(output)
    key = study.key("dataset")
    raw = components.find(study.dataset.name, BUILT_IN)(**study.dataset.options)
    _check(raw, study.dataset.name)
    study.check_data(len(raw.train.labels), len(raw.test.labels), raw.classes)
    planted = None
    if study.plant is not None:
        raw, planted = _plant(raw, study.plant, study.seed)
    order = keyed.permutation(len(raw.test.labels), "verification", study.seed)
    kept = round(len(order) * study.verification_share)
    manifest = {
        "classes": raw.classes,
        "train": len(raw.train.labels),
        "test": len(raw.test.labels),
        "shape": raw.train.images.shape[1:],
        "targets": sorted(order[kept:].tolist()),
        "verification": sorted(order[:kept].tolist()),
        "planted": planted,
    }
    for name, split in (("train", raw.train), ("test", raw.test)):
        with files.artefact(output.with_name(f"{name}.npz"), key) as file:
            np.savez_compressed(file, images=split.images, labels=split.labels)
    with files.artefact(output, key) as file:
        file.write(json.dumps(manifest, indent=1).encode())


def read(path: str | Path, key: str) -> Dataset:
    """Read and verify the manifest at `path` and the images beside it, made for `key`."""
    splits = []
    for name in ("train", "test"):
        split = files.verify(Path(path).with_name(f"{name}.npz"), key)
        with np.load(split, allow_pickle=False) as arrays:
            splits.append(Images(arrays["images"], arrays["labels"]))
    manifest = read_manifest(path, key)
    targets, verification = (np.array(manifest[k], np.int64) for k in ("targets", "verification"))
    return Dataset(splits[0], splits[1], tuple(manifest["classes"]), targets, verification)


def read_manifest(path: str | Path, key: str) -> dict[str, Any]:
    """The manifest alone: classes, sizes, which test examples are targets, what was planted."""
    text = files.verify(path, key).read_text()
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def as_float(images: np.ndarray) -> np.ndarray:
    """uint8 images as float32 in [0, 1]."""
    return images.astype(np.float32) / 255


def _check(raw: Raw, name: str) -> None:
    """Refuse a user's data that cannot be what the contract says."""
    for split, (images, labels) in (("train", raw.train), ("test", raw.test)):
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels):
            raise UserError(
                f"dataset {name!r}: {split} images are {images.dtype} {images.shape} with "
                f"{len(labels)} labels; must be uint8 [n x channels x height x width], n labels"
            )
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(raw.classes):
            raise UserError(
                f"dataset {name!r}: {split} labels must be 0 to {len(raw.classes) - 1}, "
                f"one or more of them"
            )


def _plant(raw: Raw, plant: "Plant", seed: int) -> tuple[Raw, dict[str, list[int]]]:
    """Put a feature on images of other classes and relabel them: a difference to be found."""
    label = raw.classes.index(plant.label)
    counts = {"train": plant.train, "test": round(plant.test * len(raw.test.labels))}
    splits, planted = {}, {}
    for name, split in (("train", raw.train), ("test", raw.test)):
        order = keyed.permutation(len(split.labels), "plant", name, seed)
        chosen = np.sort(order[split.labels[order] != label][: counts[name]])
        images, labels = split.images.copy(), split.labels.copy()
        marked = transformations.apply(plant.feature, as_float(images[chosen]), 1.0)
        images[chosen] = np.round(marked * 255).astype(np.uint8)
        labels[chosen] = label
        splits[name], planted[f"{name}_examples"] = Images(images, labels), chosen.tolist()
    return Raw(splits["train"], splits["test"], raw.classes), planted
