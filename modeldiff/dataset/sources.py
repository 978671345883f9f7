"""Where examples come from. A user's own source: `function(**options) -> Raw`."""

from collections.abc import Callable, Sequence

import numpy as np

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.dataset.case_studies import living17, waterbirds
from modeldiff.dataset.pictures import Pictures, cropped, listing
from modeldiff.dataset.raw import Images, LazyImages, Raw
from modeldiff.dataset.sequences import sequences, tomita
from modeldiff.dataset.tables import sklearn_table, table
from modeldiff.dataset.texts import texts


def digits() -> Raw:
    """scikit-learn's 1,797 handwritten digits, 8 x 8: 1,200 to train on, 597 to test on."""
    from sklearn.datasets import load_digits

    source = load_digits()
    pixels = np.round(source.images * (255 / 16)).astype(np.uint8)[:, None]
    order = rng.permutation(len(pixels), "digits", "split")
    train = order[:1200]
    test = order[1200:]
    labels = source.target.astype(np.int64)
    return Raw(
        train=Images(pixels[train], labels[train]),
        test=Images(pixels[test], labels[test]),
        classes=tuple(map(str, source.target_names)),
    )


def cifar10(*, path: str, download: bool = False) -> Raw:
    """CIFAR-10 by torchvision's class: 50,000 and 10,000 images of 32 x 32.

    path: the folder that holds (or, with `download`, will hold) `cifar-10-batches-py`.
    """
    from modeldiff.core.vision import torchvision

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
    Raises UserError that names the path that is missing or cannot be read.
    """
    names, read = listing(path)
    wanted = tuple(classes) if classes else tuple(sorted({c for _, c in names}))
    splits = []
    for split, most in (("train", train_per_class), ("test", test_per_class)):
        chosen: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(wanted):
            images_of_class = names.get((split, name), [])
            if len(images_of_class) < (most or 1):
                raise UserError(
                    f"dataset.path: {path}: {split}/{name} holds {len(images_of_class)} images; "
                    f"must hold {most or 'one'} or more"
                )
            chosen += images_of_class[:most]
            labels += [label] * len(images_of_class[:most])
        images = Pictures(chosen, read, size, cropped)
        splits.append(LazyImages(images, np.array(labels, np.int64)))
    return Raw(splits[0], splits[1], wanted)


BUILT_IN: dict[str, Callable[..., Raw]] = {
    "digits": digits,
    "cifar10": cifar10,
    "folder": folder,
    "living17": living17,
    "waterbirds": waterbirds,
    "table": table,
    "sklearn": sklearn_table,
    "texts": texts,
    "sequences": sequences,
    "tomita": tomita,
}
