"""A prepared data set: written once, verified whenever it is read.

Images are uint8 [n x channels x height x width], tables float32 [n x columns], texts and
sequences uint8 [n x length], labels int64 [n]. The test images are divided
once into targets (a datamodel each; directions are found on them) and verification images
(effects are measured on them).
"""

import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from modeldiff import transformations
from modeldiff.core import artifacts, rng
from modeldiff.core.errors import CorruptArtifact, UserError, described
from modeldiff.dataset import loading
from modeldiff.dataset.raw import Images, LazyImages, Raw
from modeldiff.study import kinds, stages
from modeldiff.study.columns import Column
from modeldiff.study.components import Component
from modeldiff.study.kinds import IMAGE, KINDS, SEQUENCE, TABLE, Kind
from modeldiff.study.on_data import on_data

if TYPE_CHECKING:
    from modeldiff.study import Plant, Study


MANIFEST = {"classes", "train", "test", "shape", "targets", "verification", "planted", "labels"}
PREPARED = ("training images", "test images", "labels or classes")


@dataclass(frozen=True)
class Dataset:
    """A prepared data set, read from disk.

    targets, verification: int64 indices of test examples; together all of them, in rising order.
    digest: identifies all that was prepared, so that models can record what they were trained on;
    empty for data that were not read from disk. planted: int64 indices of the training examples
    with the plant, rising; for algorithms that are to forget them, or never see them. columns: of a
    table. alphabet: the symbols of sequences.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    targets: np.ndarray
    verification: np.ndarray
    digest: str = ""
    planted: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    columns: tuple[Column, ...] = ()
    alphabet: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What its examples are."""
        return SEQUENCE if self.alphabet else kinds.of_array(self.train.images)


def prepare(study: "Study", output: str | Path) -> None:
    """Write the manifest `output`, and `train.npy` and `test.npy` beside it.

    Memory holds one image at a time, where the source reads them from files.
    """
    _prepare(study, loading.load(study.dataset), Path(output))


def differences(study: "Study", manifest: str | Path, raw: Raw | None = None) -> list[str]:
    """In what the study's source differs now from when the data were prepared.

    Some of "training images", "test images" and "labels or classes"; empty if nothing differs.
    raw: what the source returned, if it was called already. Briefly takes as much disk as the data.
    CorruptArtifact if `manifest` is not of the study's settings.
    """
    read_manifest(manifest, study.key("dataset"))
    if raw is None:
        raw = loading.load(study.dataset)
    with tempfile.TemporaryDirectory() as folder:
        now = Path(folder) / stages.path("dataset")
        _prepare(study, raw, now)
        before = _hashes(manifest)
        after = _hashes(now)
    changed = []
    for i, what in enumerate(PREPARED):
        if before[i] != after[i]:
            changed.append(what)
    return changed


def digest(manifest: str | Path) -> str:
    """Digest of all that was prepared: images, labels, classes, and the use of test images."""
    return sha256("".join(_hashes(manifest)).encode()).hexdigest()[:16]


def _hashes(manifest: str | Path) -> list[str]:
    """SHA-256 of the prepared files, in the order of `PREPARED`."""
    paths = [stages.beside(manifest, "train"), stages.beside(manifest, "test"), manifest]
    return [artifacts.record(path)["sha256"] for path in paths]


def check_trained_on(path: str | Path, digest: str) -> None:
    """CorruptArtifact if the models of `path` were trained on data with another digest.

    Models of earlier versions do not record it; for these the key is enough.
    """
    if artifacts.record(path).get("data", digest) != digest:
        raise CorruptArtifact(
            f"{path}: its models were trained on other data than are prepared now"
        )


def _prepare(study: "Study", raw: Raw, output: Path) -> None:
    key = study.key("dataset")
    n_test = len(raw.test.labels)
    kind = KINDS[raw.kind]
    study.check_data(len(raw.train.labels), n_test, raw.classes, kind)
    study = on_data(study, columns_of(raw), raw.alphabet, raw.train.images)
    columns: tuple[Column, ...] = ()
    labels: dict[str, list[int]] = {}
    planted: dict[str, list[int]] = {}
    beside = [stages.beside(output, name) for name in ("train", "test")]
    # All three or none: no file gets its name before everything is written, the manifest last.
    with (
        artifacts.write(output, key) as text,
        artifacts.write(beside[1], key) as test,
        artifacts.write(beside[0], key) as train,
    ):
        for name, split, file in (("train", raw.train, train), ("test", raw.test, test)):
            given = split.labels.astype(np.int64)
            chosen = np.zeros(0, np.int64)
            if study.plant is not None:
                chosen = _planted(name, given, raw.classes, study.plant, study.seed)
                planted[f"{name}_examples"] = chosen.tolist()
                given[chosen] = raw.classes.index(study.plant.label)
            _write(file, study.dataset, split, chosen, study.plant)
            if name == "train" and kind is TABLE:
                columns = columns_of(raw, _written(file, split))
            labels[name] = given.tolist()
        order = rng.permutation(n_test, "verification", study.seed)
        kept = round(n_test * study.verification_share)
        manifest = {
            "classes": raw.classes,
            "train": len(raw.train.labels),
            "test": n_test,
            "shape": raw.train.images.shape[1:],
            "targets": sorted(order[kept:].tolist()),
            "verification": sorted(order[:kept].tolist()),
            "planted": planted or None,
            "labels": labels,
        }
        if kind is not IMAGE:  # as the manifests of images have always been
            manifest |= {"kind": kind.name, "columns": columns}
        if kind is SEQUENCE:
            manifest |= {"alphabet": raw.alphabet}
        text.write(json.dumps(manifest).encode())


def _write(
    file: BinaryIO,
    source: Component,
    split: Images | LazyImages,
    chosen: np.ndarray,
    plant: "Plant | None",
) -> None:
    """Write examples as .npy, one at a time, then put the feature of `plant` on those `chosen`."""
    shape = split.images.shape
    dtype = split.images.dtype
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_2_0(
        file, {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    )
    start = file.tell()
    size = math.prod(shape[1:]) * dtype.itemsize

    def write(place: int, image: np.ndarray) -> None:
        file.seek(start + place * size)
        file.write(image.tobytes())

    for place, image in loading.images(source, split):
        write(place, image)
    if plant is not None:
        images = np.empty((len(chosen), *shape[1:]), dtype)
        for image, place in zip(images, chosen, strict=True):
            file.seek(start + int(place) * size)
            image[:] = np.frombuffer(file.read(size), dtype).reshape(shape[1:])
        marked = transformations.apply(plant.feature, kinds.unpacked(images), 1.0)
        for image, place in zip(kinds.packed(marked), chosen, strict=True):
            write(int(place), image)


def _written(file: BinaryIO, split: Images | LazyImages) -> np.ndarray:
    """What `_write` has written, mapped from the file."""
    file.flush()
    nbytes = math.prod(split.images.shape) * split.images.dtype.itemsize
    start = file.seek(0, os.SEEK_END) - nbytes
    return np.memmap(file, split.images.dtype, "r", start, tuple(split.images.shape))


def columns_of(raw: Raw, rows: np.ndarray | None = None) -> tuple[Column, ...]:
    """The columns of a table, by the training rows that were written, or by those of the source."""
    if raw.kind != TABLE.name:
        return ()
    values = np.asarray(raw.train.images) if rows is None else rows
    means = values.mean(0, dtype=np.float64).tolist()
    sds = values.std(0, dtype=np.float64).tolist()
    columns = []
    for name, mean, sd in zip(raw.columns, means, sds, strict=True):
        columns.append(Column(name, mean, sd))
    return tuple(columns)


def _planted(
    name: str, labels: np.ndarray, classes: Sequence[str], plant: "Plant", seed: int
) -> np.ndarray:
    """Images of other classes that get the feature and its label: a difference to be found."""
    count = {"train": plant.train, "test": round(plant.test * len(labels))}[name]
    order = rng.permutation(len(labels), "plant", name, seed)
    return np.sort(order[labels[order] != classes.index(plant.label)][:count])


def read(path: str | Path, key: str, *, beton: str | None = None) -> Dataset:
    """Read and verify the manifest at `path` and the images beside it, made for `key`.

    Images are mapped from their files, not read into memory.
    beton: the key of `train.beton`, for a study that trains from it.
    """
    manifest = read_manifest(path, key)
    kind = KINDS[manifest.get("kind", IMAGE.name)]
    splits = []
    for name in ("train", "test"):
        split = stages.beside(path, name)
        artifacts.array(split, key, kind=np.dtype(kind.dtype).kind, dimensions=1 + len(kind.sides))
        # Copy on write: torch wants arrays that may be written to; the file never is.
        images = np.load(split, mmap_mode="c", allow_pickle=False)
        labels = np.array(manifest["labels"][name], np.int64)
        if images.dtype != kind.dtype or images.shape != (len(labels), *manifest["shape"]):
            came = f"{images.dtype} {list(images.shape)}"
            wanted = f"{kind.dtype} {[len(labels), *manifest['shape']]} as the manifest says"
            raise CorruptArtifact(f"{split}: holds {came}, not {wanted}", artifact=split)
        splits.append(Images(images, labels))
    train, test = splits
    if beton:
        train = train._replace(beton=artifacts.verify(stages.beside(path, "beton"), beton))
    targets = np.array(manifest["targets"], np.int64)
    verification = np.array(manifest["verification"], np.int64)
    classes = tuple(manifest["classes"])
    planted = np.array((manifest["planted"] or {}).get("train_examples", []), np.int64)
    columns = tuple(Column(*column) for column in manifest.get("columns", ()))
    return Dataset(
        train=train,
        test=test,
        classes=classes,
        targets=targets,
        verification=verification,
        digest=digest(path),
        planted=planted,
        columns=columns,
        alphabet=tuple(manifest.get("alphabet", ())),
    )


def opened(
    study: "Study", path: str | Path, *, beton: str | None = None
) -> "tuple[Study, Dataset]":
    """The data set of a study as `read` gives it, and the study, told what only the data say."""
    data = read(path, study.key("dataset"), beton=beton)
    return on_data(study, data.columns, data.alphabet, data.train.images), data


def read_manifest(path: str | Path, key: str) -> dict[str, Any]:
    """The manifest alone: classes, sizes, which test examples are targets, what was planted."""
    verified = artifacts.verify(path, key)
    with artifacts.reading(path, "manifest of a data set"):
        manifest: dict[str, Any] = json.loads(verified.read_text())
        if not manifest.keys() >= MANIFEST:
            raise ValueError
    return manifest


def as_float(images: np.ndarray) -> np.ndarray:
    """uint8 images, of any shape, as float32 in [0, 1]."""
    if getattr(images, "dtype", None) != np.uint8:
        raise UserError(f"images: are {described(images)}; must be an array of uint8")
    return images.astype(np.float32) / 255
