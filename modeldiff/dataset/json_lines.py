"""JSON Lines files, an example and its label on each line; and folders of Hugging Face's."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from modeldiff.core import paths, rng
from modeldiff.core.errors import UserError, shown
from modeldiff.dataset import hugging_face
from modeldiff.dataset.raw import Images, Raw
from modeldiff.study.kinds import Kind
from modeldiff.study.sizes import test_rows

MOST_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where labelled examples are: in files, or in folders of Hugging Face's `datasets`.

    path: one file, of which a random share, `test_share`, is for tests; or train and test: a file
    each. example, label: the keys on each line. allowed: whether a value is an example; wanted:
    what such values are, in words.
    """

    path: str | None
    train: str | None
    test: str | None
    test_share: float
    example: str
    label: str
    allowed: Callable[[Any], bool]
    wanted: str


class Labelled(NamedTuple):
    """Examples as they stand in the files, in their order; labels: int64 [n], of `classes`, which
    are sorted; of_test: bool [n].
    """

    examples: list[Any]
    labels: np.ndarray
    classes: tuple[str, ...]
    of_test: np.ndarray

    def raw(self, content: np.ndarray, kind: Kind, alphabet: tuple[str, ...] = ()) -> Raw:
        """What a source returns; content: the examples as they are kept, [n x ...]."""
        splits = []
        for chosen in (~self.of_test, self.of_test):
            splits.append(Images(content[chosen], self.labels[chosen]))
        return Raw(splits[0], splits[1], self.classes, kind=kind.name, alphabet=alphabet)


def read(files: Files, kind: Kind) -> Labelled:
    """All examples; UserError, one line, for a file that is something else."""
    if files.path is not None:
        found = _read("path", files.path, files, kind)
        order = rng.permutation(len(found), kind.many, "split")
        chosen = order[: test_rows(len(found), files.test_share)]
        of_test = np.isin(np.arange(len(found)), chosen)
    else:
        assert files.train is not None  # as the config is checked
        assert files.test is not None
        first = _read("train", files.train, files, kind)
        second = _read("test", files.test, files, kind)
        found = first + second
        of_test = np.repeat([False, True], [len(first), len(second)])
    classes = sorted({each for _, each in found})
    if not 2 <= len(classes) <= MOST_CLASSES:
        what = f"{files.label} has {len(classes)} different values"
        raise UserError(f"dataset.label: {what}; must be 2 to {MOST_CLASSES} classes")
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[each] for _, each in found], np.int64)
    return Labelled([example for example, _ in found], labels, tuple(classes), of_test)


def _read(key: str, path: str, files: Files, kind: Kind) -> list[tuple[Any, str]]:
    """Each example with its label; UserError, which names the key and the line, otherwise."""
    if os.path.isdir(path):  # no `Path`, which refuses some texts
        return _of_folder(key, path, files)
    paths.check(path)
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                where = f"dataset.{key}: {path}: line {number}"
                if line.strip():
                    found.append(_parsed(line, where, files))
    except (OSError, UnicodeError) as error:
        raise UserError(f"dataset.{key}: {path}: cannot be read: {error}") from None
    if not found:
        raise UserError(f"dataset.{key}: {path}: holds no {kind.many}")
    return found


def _of_folder(key: str, path: str, files: Files) -> list[tuple[Any, str]]:
    found = []
    where = f"dataset.{key}: {path}"
    for number, row in enumerate(hugging_face.rows(where, path, (files.example, files.label))):
        found.append(_labelled(row, f"{where}: row {number}", files))
    return found


def _parsed(line: str, where: str, files: Files) -> tuple[Any, str]:
    example, label = files.example, files.label
    wanted = f'must be an object with "{example}" and "{label}"'
    try:
        entry = json.loads(line)
    except ValueError:
        raise UserError(f"{where}: is {shown(line.strip())}; {wanted}") from None
    if not isinstance(entry, dict) or not {example, label} <= entry.keys():
        raise UserError(f"{where}: is {shown(line.strip())}; {wanted}")
    return _labelled(entry, where, files)


def _labelled(entry: Mapping[str, Any], where: str, files: Files) -> tuple[Any, str]:
    example, label = files.example, files.label
    if not files.allowed(entry[example]) or not isinstance(entry[label], str | int):
        raise UserError(
            f"{where}: {example} must be {files.wanted}, {label} text or a whole number"
        )
    return entry[example], str(entry[label])
