"""The cells of a map of classes, by name, and what they say in a sentence."""

from dataclasses import dataclass

import numpy as np

from modeldiff.comparison.class_map import OTHERS, ClassMap
from modeldiff.report.pairs import Pair
from modeldiff.study.kinds import IMAGE, Kind

REST = "other classes"


@dataclass(frozen=True)
class Cell:
    """How differently images of class `test` are learned from training images of class `train`.

    The numbers are those of `ClassMap`.
    """

    test: str
    train: str
    share: float
    agreement: float
    p_value: float
    significant: bool


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
                agreement=float(table.agreement[i, j]),
                p_value=float(table.p_value[i, j]),
                significant=bool(table.significant[i, j]),
            )
            found.append(cell)
    return sorted(found, key=lambda cell: -np.nan_to_num(cell.share))


def class_names(table: ClassMap, classes: tuple[str, ...]) -> list[str]:
    """What rows and columns are called."""
    return [REST if one == OTHERS else classes[one] for one in table.classes]


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
    most = surely[0]
    return (
        f"They differ most in how {kind.many} of {most.test} are learned from training "
        f"{kind.many} of {most.train}: {most.share:.0%} of all that differs, noise taken out (p = "
        f"{most.p_value:.2g}, corrected for all {len(found)} cells). In {len(surely)} of "
        f"{len(found)} cells the two differ beyond chance."
    )
