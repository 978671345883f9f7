"""The cells of a map of classes, by name, and what they say in a sentence."""

from dataclasses import dataclass

import numpy as np

from modeldiff.comparison.class_map import OTHERS, ClassMap
from modeldiff.report.pairs import Pair
from modeldiff.study.kinds import IMAGE, Kind

REST = "other classes"
GROUP = "group "  # how the name of a group that the user names begins


@dataclass(frozen=True)
class Cell:
    """How differently images of class `test` are learned from training images of class `train`.

    Either may be a group that the user names. The numbers are those of `ClassMap`.
    """

    test: str
    train: str
    share: float
    low: float
    high: float
    agreement: float
    p_value: float
    significant: bool

    @property
    def of_group(self) -> bool:
        """Whether it is of a group: part of the cells of classes, not beside them."""
        return self.test.startswith(GROUP) or self.train.startswith(GROUP)

    @property
    def words(self) -> str:
        """Its share, with the interval, of all that differs."""
        known = f" [{self.low:.0%}, {self.high:.0%}]" if np.isfinite(self.low) else ""
        return f"{self.share:.0%}{known} of all that differs"


def cells(table: ClassMap, classes: tuple[str, ...]) -> list[Cell]:
    """All cells, those with the largest share first; `classes`: the names of all classes."""
    names = class_names(table, classes)
    found = []
    for i, test in enumerate(names):
        for j, train in enumerate(names):
            cell = Cell(
                test=test,
                train=train,
                share=float(table.share[i, j]),
                low=float(table.low[i, j]),
                high=float(table.high[i, j]),
                agreement=float(table.agreement[i, j]),
                p_value=float(table.p_value[i, j]),
                significant=bool(table.significant[i, j]),
            )
            found.append(cell)
    return sorted(found, key=lambda cell: -np.nan_to_num(cell.share))


def class_names(table: ClassMap, classes: tuple[str, ...]) -> list[str]:
    """What rows and columns are called."""
    names = [REST if one == OTHERS else classes[one] for one in table.classes]
    return names + [f"{GROUP}{name}" for name in table.groups]


def where(pair: Pair, classes: tuple[str, ...], kind: Kind = IMAGE) -> str:
    """Where a pair differs most, in a sentence; empty where that was not tested."""
    if pair.class_map is None:
        return ""
    found = cells(pair.class_map, classes)
    surely = [cell for cell in found if cell.significant]
    if not surely:
        least = min(cell.p_value for cell in found)
        return (
            f"In no cell do the two differ beyond chance (smallest p = {least:.2g}, corrected for "
            f"all {len(found)} cells)."
        )
    said = (
        f"In {len(surely)} of {len(found)} cells the two differ beyond chance (p-values are "
        "corrected for all of them)."
    )
    of_classes = [cell for cell in surely if not cell.of_group]
    if of_classes:
        most = of_classes[0]
        said = (
            f"They differ most in how {kind.many} of {most.test} are learned from training "
            f"{kind.many} of {most.train}: {most.words}, noise taken out "
            f"(p = {most.p_value:.2g}). {said}"
        )
    for cell in surely:
        if cell.of_group and cell.test == cell.train:
            name = cell.test.removeprefix(GROUP)
            said += f" What the {kind.many} of {name} teach of one another is {cell.words}."
    return said
