"""Texts: files of JSON Lines, kept as the bytes of their UTF-8."""

import json

import numpy as np

from modeldiff.core import paths, rng
from modeldiff.core.errors import UserError, shown
from modeldiff.dataset.raw import Images, Raw
from modeldiff.study.kinds import TEXT, encoded
from modeldiff.study.sizes import test_rows

MOST_CLASSES = 1000


def texts(
    *,
    text: str = "text",
    label: str = "label",
    length: int = 256,
    path: str | None = None,
    train: str | None = None,
    test: str | None = None,
    test_share: float = 0.25,
) -> Raw:
    """Texts of JSON Lines files: an object on each line, e.g. `{"text": "...", "label": "..."}`.

    text, label: the keys. length: bytes that are kept of a text. path: one file, of which a random
    share of the texts, `test_share`, is for tests; or train and test: a file each. Texts keep their
    order; classes are the labels, sorted.
    Raises UserError, one line, for a file that is something else.
    """
    if path is not None:
        found = _read("path", path, text, label)
        chosen = rng.permutation(len(found), "texts", "split")[: test_rows(len(found), test_share)]
        of_test = np.isin(np.arange(len(found)), chosen)
    else:
        assert train is not None  # as the config is checked
        assert test is not None
        first = _read("train", train, text, label)
        second = _read("test", test, text, label)
        found = first + second
        of_test = np.repeat([False, True], [len(first), len(second)])
    classes = sorted({each for _, each in found})
    if not 2 <= len(classes) <= MOST_CLASSES:
        what = f"{label} has {len(classes)} different values"
        raise UserError(f"dataset.label: {what}; must be 2 to {MOST_CLASSES} classes")
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[each] for _, each in found], np.int64)
    content = encoded([each for each, _ in found], length)
    splits = []
    for chosen in (~of_test, of_test):
        splits.append(Images(content[chosen], labels[chosen]))
    return Raw(splits[0], splits[1], tuple(classes), kind=TEXT.name)


def _read(key: str, path: str, text: str, label: str) -> list[tuple[str, str]]:
    """Each text with its label; UserError, which names the key and the line, for anything else."""
    paths.check(path)
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                where = f"dataset.{key}: {path}: line {number}"
                if line.strip():
                    found.append(_parsed(line, where, text, label))
    except (OSError, UnicodeError) as error:
        raise UserError(f"dataset.{key}: {path}: cannot be read: {error}") from None
    if not found:
        raise UserError(f"dataset.{key}: {path}: holds no texts")
    return found


def _parsed(line: str, where: str, text: str, label: str) -> tuple[str, str]:
    wanted = f'must be an object with "{text}" and "{label}"'
    try:
        entry = json.loads(line)
    except ValueError:
        raise UserError(f"{where}: is {shown(line.strip())}; {wanted}") from None
    if not isinstance(entry, dict) or not {text, label} <= entry.keys():
        raise UserError(f"{where}: is {shown(line.strip())}; {wanted}")
    if not isinstance(entry[text], str) or not isinstance(entry[label], str | int):
        raise UserError(f"{where}: {text} must be text, {label} text or a whole number")
    return entry[text], str(entry[label])
