"""Where images come from. A user's own source: `function(**options) -> Raw`."""

import io
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modeldiff import keyed
from modeldiff.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}


class Images(NamedTuple):
    """Labelled images: uint8 [n x channels x height x width] and int64 [n]."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Raw:
    """What a source returns."""

    train: Images
    test: Images
    classes: tuple[str, ...]


def digits() -> Raw:
    """scikit-learn's 1,797 handwritten digits, 8 x 8: 1,200 to train on, 597 to test on."""
    from sklearn.datasets import load_digits

    source = load_digits()
    pixels = np.round(source.images * (255 / 16)).astype(np.uint8)[:, None]
    order = keyed.permutation(len(pixels), "digits", "split")
    train, test = order[:1200], order[1200:]
    labels = source.target.astype(np.int64)
    names = tuple(str(name) for name in source.target_names)
    return Raw(Images(pixels[train], labels[train]), Images(pixels[test], labels[test]), names)


def cifar10(*, path: str, download: bool = False) -> Raw:
    """CIFAR-10 by torchvision's class: 50,000 and 10,000 images of 32 x 32.

    path: the folder that holds (or, with `download`, will hold) `cifar-10-batches-py`.
    """
    from modeldiff.training.vision import torchvision

    torchvision()
    from torchvision.datasets import CIFAR10

    splits = []
    for train in (True, False):
        try:
            split = CIFAR10(path, train=train, download=download)
        except RuntimeError as error:
            raise UserError(f"dataset.path: {path}: {' '.join(str(error).split())}") from None
        images = np.ascontiguousarray(split.data.transpose(0, 3, 1, 2))
        splits.append(Images(images, np.array(split.targets, np.int64)))
    return Raw(splits[0], splits[1], tuple(split.classes))


def folder(
    *,
    path: str,
    size: int,
    classes: Sequence[str] | None = None,
    train_per_class: int | None = None,
    test_per_class: int | None = None,
) -> Raw:
    """Images in `train/<class>/*` and `test/<class>/*`, of a folder or of a tar archive.

    Examples are in the order of their paths. Each image is resized so that its shorter side is
    `size` pixels, and cropped around its centre, RGB.
    classes: which, in this order (None: all, in alphabetical order); *_per_class: the first so
    many of each class (None: all).
    Raises UserError that names the path of what is missing or cannot be read.
    """
    names, files = listing(path)
    wanted = tuple(classes) if classes else tuple(sorted({c for _, c in names}))
    splits = []
    for split, most in (("train", train_per_class), ("test", test_per_class)):
        chosen, labels = [], []
        for label, name in enumerate(wanted):
            found = sorted(names.get((split, name), ()))
            if len(found) < (most or 1):
                raise UserError(
                    f"dataset.path: {path}: {split}/{name} holds {len(found)} images; "
                    f"must hold {most or 'one'} or more"
                )
            chosen += found[:most]
            labels += [label] * len(found[:most])
        decoded = {name: _decoded(name, content, size) for name, content in files(set(chosen))}
        images = np.stack([decoded[name] for name in chosen])
        splits.append(Images(images, np.array(labels, np.int64)))
    return Raw(splits[0], splits[1], wanted)


Listing = dict[tuple[str, str], list[str]]
Reader = Callable[[set[str]], Iterator[tuple[str, bytes]]]


def listing(path: str) -> tuple[Listing, Reader]:
    """Image names by (split, class), and how to read some of them."""
    root = Path(path)
    if root.is_dir():
        members = [p.relative_to(root).as_posix() for p in root.glob("*/*/*")]

        def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
            return ((name, (root / name).read_bytes()) for name in chosen)
    else:
        try:
            with tarfile.open(root) as archive:
                members = [m.name.removeprefix("./") for m in archive if m.isfile()]
        except (OSError, tarfile.TarError) as error:
            raise UserError(f"dataset.path: {path}: is no folder or tar archive: {error}") from None

        def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
            with tarfile.open(root) as archive:  # in the archive's order: it is read once
                for member in archive:
                    name = member.name.removeprefix("./")
                    if name in chosen and (file := archive.extractfile(member)):
                        yield name, file.read()

    names: Listing = defaultdict(list)
    for member in members:
        parts = member.split("/")
        if len(parts) == 3 and Path(member).suffix.lower() in SUFFIXES:
            names[parts[0], parts[1]].append(member)
    return names, read


def _decoded(name: str, content: bytes, size: int) -> np.ndarray:
    """An image file as uint8 [3 x size x size]."""
    from PIL import Image, ImageOps

    try:
        image = Image.open(io.BytesIO(content)).convert("RGB")
    except OSError:
        raise UserError(f"{name}: is not an image that can be read") from None
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


class Expected(NamedTuple):
    """What a config can be checked against before anything is loaded."""

    n_train: int
    n_test: int
    classes: tuple[str, ...]


CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"


def expected(name: str, options: Mapping[str, Any]) -> Expected | None:
    """Sizes and classes of a source where they are known without its images, else None."""
    if name == "digits":
        return Expected(1200, 597, tuple("0123456789"))
    if name == "cifar10":
        return Expected(50_000, 10_000, tuple(CIFAR10.split()))
    counts = [options.get(f"{split}_per_class") or 0 for split in ("train", "test")]
    if name == "folder" and options.get("classes") and all(counts):
        classes = tuple(options["classes"])
        return Expected(counts[0] * len(classes), counts[1] * len(classes), classes)
    return None


BUILT_IN: dict[str, Callable[..., Raw]] = {"digits": digits, "cifar10": cifar10, "folder": folder}
