"""An example without each of its pieces: words, symbols of a sequence, columns of a row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from modeldiff.dataset import Dataset
from modeldiff.study.kinds import SEQUENCE, TABLE, TEXT, decoded, encoded

MOST = 40  # pieces of an example: longer texts and sequences are cut into so many stretches
WORD = re.compile(r"\S+\s*")  # with the spaces behind it


class Piece(NamedTuple):
    """Letters of a text, symbols of a sequence, or a column: from `start` to before `stop`."""

    start: int
    stop: int


@dataclass(frozen=True)
class Pieces:
    """The pieces of a data set's texts, sequences or rows."""

    data: Dataset

    def without_each(self, example: np.ndarray, label: int) -> tuple[list[Piece], np.ndarray]:
        """The pieces of an example, at most `MOST`, and the example without each: [pieces x sides].

        Words and symbols are deleted. A column gets the median of the class `label` in its place;
        of a row with many columns, those are taken that are furthest from it.
        """
        without: dict[str, Callable[[], tuple[list[Piece], list[np.ndarray]]]] = {
            TEXT.name: lambda: _words_left_out(example),
            SEQUENCE.name: lambda: _symbols_left_out(example),
            TABLE.name: lambda: self._columns_replaced(example, label),
        }
        pieces, changed = without[self.data.kind.name]()
        shape = (len(pieces), *example.shape)
        return pieces, np.array(changed, example.dtype).reshape(shape)

    def _columns_replaced(
        self, row: np.ndarray, label: int
    ) -> tuple[list[Piece], list[np.ndarray]]:
        typical = self._medians[label]
        sds = np.array([column.sd or 1.0 for column in self.data.columns])
        distances = np.abs(row - typical) / sds
        furthest = np.argsort(-distances, kind="stable")[:MOST]
        pieces = []
        changed = []
        for column in furthest.tolist():
            if row[column] == typical[column]:
                continue
            replaced = row.copy()
            replaced[column] = typical[column]
            pieces.append(Piece(column, column + 1))
            changed.append(replaced)
        return pieces, changed

    @cached_property
    def _medians(self) -> np.ndarray:
        """Medians of the training rows of each class, of all rows where it has none: float32
        [classes x columns].
        """
        train = self.data.train
        medians = []
        for label in range(len(self.data.classes)):
            of_class = train.images[train.labels == label]
            rows = of_class if len(of_class) else train.images
            medians.append(np.median(rows, axis=0))
        return np.array(medians, np.float32)


def _words_left_out(example: np.ndarray) -> tuple[list[Piece], list[np.ndarray]]:
    (text,) = decoded(example[None])
    pieces = []
    left = []
    for start, stop in _stretches([word.span() for word in WORD.finditer(text)]):
        pieces.append(Piece(start, start + len(text[start:stop].rstrip())))
        left.append(text[:start] + text[stop:])
    return pieces, list(encoded(left, len(example)))


def _symbols_left_out(example: np.ndarray) -> tuple[list[Piece], list[np.ndarray]]:
    symbols = [(place, place + 1) for place in range(np.count_nonzero(example))]
    pieces = []
    left = []
    for start, stop in _stretches(symbols):
        pieces.append(Piece(start, stop))
        padding = np.zeros(stop - start, example.dtype)
        left.append(np.concatenate([example[:start], example[stop:], padding]))
    return pieces, left


def _stretches(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that follow each other, several in one where there are more than `MOST`."""
    found = []
    for some in np.array_split(np.array(spans, int).reshape(-1, 2), min(MOST, len(spans)) or 1):
        if len(some):
            found.append((int(some[0, 0]), int(some[-1, 1])))
    return found
