"""The drawing of how a direction is found: real subsets, weights and images of the study."""

from dataclasses import dataclass

import numpy as np

from modeldiff import subsets
from modeldiff.report import images
from modeldiff.report.pairs import Way
from modeldiff.report.results import Results
from modeldiff.study.kinds import IMAGE

COLUMNS = 12  # training images
STRONGEST = 4  # of them those at the top of the direction, if it stands out
SUBSETS = 3


@dataclass(frozen=True)
class Column:
    """A training image of the drawing; uri: empty of examples of another kind.

    drawn: whether each of the first subsets has it. a, b, difference: its weight for one test image
    under both algorithms, and what differs, as shares of the largest weight drawn.
    """

    uri: str
    drawn: list[bool]
    a: float
    b: float
    difference: float


@dataclass(frozen=True)
class Drawing:
    """The columns, and the test image whose weights they show."""

    test_image: int
    columns: list[Column]


def draw(results: Results, p: int, w: int) -> Drawing:
    """Of direction 1 of a way of a pair: its strongest test image and training images, and some
    others, evenly spaced.
    """
    pair = results.pairs[p]
    way = pair.ways[w]
    study = results.study
    chosen = _chosen(way)
    test_image = int(way.test_high[0, 0])
    row = results.data.targets.tolist().index(test_image)
    a = results.weights(pair.a)[row, chosen]
    b = results.weights(pair.b)[row, chosen]
    first = range(study.evaluation_subsets, study.evaluation_subsets + SUBSETS)
    n_train = len(results.data.train.labels)
    masks = subsets.draw(n_train, first, study.alpha, study.seed)[:, chosen]
    differences = np.abs(a - b)
    largest = float(max(np.abs(a).max(), np.abs(b).max(), differences.max())) or 1.0
    columns = []
    train = results.data.train
    pictures = results.data.kind is IMAGE
    for k, example in enumerate(chosen.tolist()):
        column = Column(
            uri=images.small(train.images[example]) if pictures else "",
            drawn=masks[:, k].tolist(),
            a=float(a[k]) / largest,
            b=float(b[k]) / largest,
            difference=float(a[k] - b[k]) / largest,
        )
        columns.append(column)
    return Drawing(test_image=test_image, columns=columns)


def _chosen(way: Way) -> np.ndarray:
    """Training images to draw, in their order."""
    n_train = way.directions.shape[1]
    strongest = np.zeros(0, np.int64) if way.explained_by_chance(0) else way.train_high[0]
    strongest = strongest[:STRONGEST]
    others = np.setdiff1d(np.linspace(0, n_train - 1, 2 * COLUMNS).astype(int), strongest)
    spaced = others[np.linspace(0, len(others) - 1, COLUMNS - len(strongest)).astype(int)]
    return np.unique(np.concatenate([strongest, spaced]))
