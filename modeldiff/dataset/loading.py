"""The data set that a config names: built in or the user's own, checked before it is used."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from modeldiff.core.errors import described, shown
from modeldiff.dataset.raw import Images, LazyImages, Raw, placed
from modeldiff.dataset.sources import BUILT_IN
from modeldiff.study import components, user_code
from modeldiff.study.components import Component
from modeldiff.study.kinds import KINDS, SEQUENCE, TABLE, Kind
from modeldiff.study.symbols import MOST_SYMBOLS


def load(part: Component) -> Raw:
    """What the source returns; UserError, one line, if it raises or breaks the contract of `Raw`.

    Images in files are not read yet: see `images`.
    """
    make = components.find(part.name, BUILT_IN)
    with user_code.running(part.name):
        raw = make(**part.options)
    if not isinstance(raw, Raw):
        raise user_code.refused(part.name, "", raw, "modeldiff.dataset.Raw(train, test, classes)")
    _check_classes(part.name, raw.classes)
    if raw.kind not in KINDS:
        came = f"kind is {shown(raw.kind)}"
        raise user_code.refused(part.name, "", came, " or ".join(KINDS))
    kind = KINDS[raw.kind]
    for name, split in (("train", raw.train), ("test", raw.test)):
        _check_split(part.name, name, split, len(raw.classes), kind)
    train = tuple(raw.train.images.shape[1:])
    test = tuple(raw.test.images.shape[1:])
    if train != test:
        came = f"training {kind.many} of {list(train)}, test {kind.many} of {list(test)}"
        raise user_code.refused(part.name, "", came, f"of one size [{' x '.join(kind.sides)}]")
    if kind is TABLE:
        _check_columns(part.name, raw.columns, train[0])
    if kind is SEQUENCE:
        _check_alphabet(part.name, raw)
    return raw


def images(part: Component, split: Images | LazyImages) -> Iterator[tuple[int, np.ndarray]]:
    """Each example, such as an image, uint8 [channels x height x width], with its place among all,
    in any order.
    """
    shape = tuple(split.images.shape[1:])
    dtype = split.images.dtype
    with user_code.running(part.name, "reading its images"):
        for place, image in placed(split):
            if image.shape != shape or image.dtype != dtype:
                came = f"image {place} is {described(image)}"
                raise user_code.refused(
                    part.name, "", came, f"{dtype} {list(shape)} like the others"
                )
            yield place, image


def _check_classes(name: str, classes: Any) -> None:
    words = isinstance(classes, tuple | list) and all(isinstance(c, str) for c in classes)
    if not words or len({*classes}) != len(classes) or len(classes) < 2:
        came = f"classes are {user_code.shortened(repr(classes), 60)}"
        raise user_code.refused(name, "", came, "a tuple of two or more different names")


def _check_columns(name: str, columns: Any, count: int) -> None:
    words = isinstance(columns, tuple | list) and all(isinstance(c, str) for c in columns)
    if not words or len({*columns}) != len(columns) or len(columns) != count:
        came = f"columns are {user_code.shortened(repr(columns), 60)}"
        raise user_code.refused(name, "", came, f"a tuple of {count} different names")


def _check_alphabet(name: str, raw: Raw) -> None:
    alphabet = raw.alphabet
    words = isinstance(alphabet, tuple | list) and all(isinstance(s, str) for s in alphabet)
    if not words or len({*alphabet}) != len(alphabet) or not 1 <= len(alphabet) <= MOST_SYMBOLS:
        came = f"alphabet is {user_code.shortened(repr(alphabet), 60)}"
        wanted = f"a tuple of 1 to {MOST_SYMBOLS} different symbols"
        raise user_code.refused(name, "", came, wanted)
    for which, split in (("train", raw.train), ("test", raw.test)):
        codes = np.asarray(split.images)
        if codes.max() > len(alphabet):
            came = f"sequences hold {codes.max()}"
            raise user_code.refused(name, which, came, f"at most {len(alphabet)}, the last symbol")
        if ((codes[:, :-1] == 0) & (codes[:, 1:] > 0)).any():
            came = "sequences hold symbols behind a 0"
            raise user_code.refused(name, which, came, "padded with 0 at the end only")


def _check_split(name: str, which: str, split: Any, classes: int, kind: Kind) -> None:
    if not isinstance(split, Images | LazyImages):
        wanted = "modeldiff.dataset.Images(images, labels)"
        raise user_code.refused(name, which, f"is {described(split)}", wanted)
    given = split.images
    labels = split.labels
    if not kind.holds(given):
        raise user_code.refused(name, which, f"{kind.many} are {described(given)}", kind.array)
    if isinstance(given, np.ndarray) and kind is TABLE and not np.isfinite(given).all():
        came = "rows hold values that are infinite or NaN"
        raise user_code.refused(name, which, came, "finite")
    whole = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim == 1
    if not whole or len(labels) != len(given):
        came = f"labels are {described(labels)}"
        raise user_code.refused(name, which, came, f"a numpy array, int64 [{len(given)}]")
    if labels.min() < 0 or labels.max() >= classes:
        came = f"labels are {labels.min()} to {labels.max()}"
        raise user_code.refused(name, which, came, f"0 to {classes - 1}, one for each class")
