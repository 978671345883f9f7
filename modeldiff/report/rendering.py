"""How an example is shown on the page: rows by what stands out, all else as it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from modeldiff.dataset import Dataset
from modeldiff.occlusion import Piece
from modeldiff.report import images
from modeldiff.study.kinds import IMAGE, SEQUENCE, TEXT, decoded
from modeldiff.study.symbols import marks

COLUMNS = 4  # of a row, that are shown
LETTERS = 240  # of a text, or of a sequence and the spaces in it

# A text, or one in parts, of which those that are marked say `text`, `side` and `about`.
Cell = str | list[str | dict[str, str]]
# Of a row: name of a column, value, distance from the class's mean. Of a text: the text alone.
# Of a sequence: its symbols with spaces between them, in one.
Cells = list[list[Cell]]
Rendered = str | Cells  # a data URI of an image, or cells


class Highlight(NamedTuple):
    """Part of an example that is marked: why, and in the colour of which recipe, `a` or `b`."""

    piece: Piece
    side: str
    about: str


@dataclass(frozen=True)
class Renderer:
    """Renders examples of a data set, or examples like them."""

    data: Dataset

    def all(self, shown: dict[str, set[int]]) -> dict[str, dict[int, Rendered]]:
        """Those examples of each split, `test` and `train`."""
        splits = {"test": self.data.test, "train": self.data.train}
        if self.data.kind is IMAGE:
            found = images.embed({name: (splits[name], shown[name]) for name in splits})
            return {name: dict(uris) for name, uris in found.items()}
        rendered: dict[str, dict[int, Rendered]] = {}
        for name, split in splits.items():
            rendered[name] = {}
            for i in sorted(shown[name]):
                rendered[name][i] = self.still(split.images[i], int(split.labels[i]))
        return rendered

    def still(
        self,
        example: np.ndarray,
        label: int,
        first: Iterable[int] = (),
        marked: Sequence[Highlight] = (),
    ) -> Rendered:
        """One example of the data set, or like them; first: columns of a row that come first.

        marked: of a text, a sequence or a row, the strongest first.
        """
        if self.data.kind is IMAGE:
            return images.small(example)
        return self.cells(example, label, list(first), marked)

    def cells(
        self,
        row: np.ndarray,
        label: int,
        first: Sequence[int] = (),
        marked: Sequence[Highlight] = (),
    ) -> Cells:
        """Columns of a row that are furthest from the mean of its class, before them those that are
        marked or `first`; or a text or the symbols of a sequence, `LETTERS` letters with what is
        marked.
        """
        if self.data.kind is TEXT:
            (text,) = decoded(row[None])
            return [[_stretch(text, marked)]]
        if self.data.kind is SEQUENCE:
            symbols = marks(row, self.data.alphabet)
            return [[_stretch(symbols, _in_letters(marked, symbols)) or "(empty)"]]
        of_columns = {one.piece.start: one for one in marked}
        means, sds = self._of_classes
        distances = (row - means[label]) / sds[label]
        strongest = np.argsort(-np.abs(distances), kind="stable").tolist()
        chosen = list(dict.fromkeys([*of_columns, *first, *strongest]))[:COLUMNS]
        cells: Cells = []
        for column in chosen:
            name: Cell = self.data.columns[column].name
            if column in of_columns:
                name = [_mark(self.data.columns[column].name, of_columns[column])]
            cells.append([name, f"{row[column]:.4g}", f"{distances[column]:+.1f} sd"])
        return cells

    @cached_property
    def _of_classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each column over the training rows of each class, float64
        [classes x columns]; over all rows where a class's do not vary, and 1 where none do.
        """
        rows = self.data.train.images
        overall = np.array([column.sd or 1.0 for column in self.data.columns])
        means = np.zeros((len(self.data.classes), len(overall)))
        sds = np.tile(overall, (len(self.data.classes), 1))
        for label in np.unique(self.data.train.labels):
            of_class = rows[self.data.train.labels == label].astype(np.float64)
            means[label] = of_class.mean(0)
            sd = of_class.std(0)
            sds[label] = np.where(sd > 0, sd, overall)
        return means, sds


def _stretch(text: str, marked: Sequence[Highlight]) -> Cell:
    """`LETTERS` letters of a text: the beginning, or around what is marked most strongly."""
    if not marked:
        return text if len(text) <= LETTERS else f"{text[:LETTERS]}..."
    start = 0
    if max(one.piece.stop for one in marked) > LETTERS:
        strongest = marked[0].piece
        start = max(0, min(strongest.start - LETTERS // 2, len(text) - LETTERS))
    stop = start + LETTERS
    parts: list[str | dict[str, str]] = ["..." if start else ""]
    place = start
    for one in sorted(marked):
        first = max(one.piece.start, place)
        last = min(one.piece.stop, stop)
        if first < last:
            parts += [text[place:first], _mark(text[first:last], one)]
            place = last
    parts += [text[place:stop], "..." if stop < len(text) else ""]
    return [part for part in parts if part]


def _in_letters(marked: Sequence[Highlight], symbols: str) -> list[Highlight]:
    """What is marked of a sequence, by the letters of its symbols with spaces between them."""
    lengths = [len(symbol) + 1 for symbol in symbols.split(" ")]
    starts = [0, *accumulate(lengths)]
    found = []
    for one in marked:
        letters = Piece(starts[one.piece.start], starts[one.piece.stop] - 1)
        found.append(one._replace(piece=letters))
    return found


def _mark(text: str, one: Highlight) -> dict[str, str]:
    return {"text": text, "side": one.side, "about": one.about}
