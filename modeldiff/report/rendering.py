"""How an example is shown on the page: rows by what stands out, all else as it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modeldiff.dataset import Dataset
from modeldiff.report import images
from modeldiff.study.kinds import IMAGE, SEQUENCE, TEXT, decoded
from modeldiff.study.symbols import marks

COLUMNS = 4  # of a row, that are shown
LETTERS = 240  # of a text, or of a sequence and the spaces in it

# Of a row: name of a column, value, distance from the class's mean. Of a text: the text alone.
# Of a sequence: its symbols with spaces between them, in one.
Cells = list[list[str]]
Rendered = str | Cells  # a data URI of an image, or cells


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

    def still(self, example: np.ndarray, label: int, first: Iterable[int] = ()) -> Rendered:
        """One example of the data set, or like them; first: columns of a row that come first."""
        if self.data.kind is IMAGE:
            return images.small(example)
        return self.cells(example, label, list(first))

    def cells(self, row: np.ndarray, label: int, first: Sequence[int] = ()) -> Cells:
        """Columns of a row that are furthest from the mean of its class, and those `first`; or a
        text or the symbols of a sequence, the first `LETTERS` letters.
        """
        if self.data.kind is TEXT:
            (text,) = decoded(row[None])
            return [[_beginning(text)]]
        if self.data.kind is SEQUENCE:
            return [[_beginning(marks(row, self.data.alphabet)) or "(empty)"]]
        means, sds = self._of_classes
        distances = (row - means[label]) / sds[label]
        strongest = np.argsort(-np.abs(distances), kind="stable").tolist()
        chosen = list(dict.fromkeys([*first, *strongest]))[:COLUMNS]
        cells = []
        for column in chosen:
            name = self.data.columns[column].name
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


def _beginning(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}..."
