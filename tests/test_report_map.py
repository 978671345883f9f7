"""The map of where two algorithms differ: sentences and chart."""

import dataclasses

import numpy as np

from modeldiff.comparison.class_map import OTHERS, ClassMap
from modeldiff.report import cells, map_chart

pytest_plugins = ["report_fixtures"]


def test_the_map_says_where_two_algorithms_differ(loaded):
    (pair,) = loaded.pairs
    classes = np.array([3, 7, OTHERS])
    share = np.array([[0.1, 0.5, 0.0], [0.2, 0.1, 0.0], [0.1, 0.1, -0.1]])
    p_value = np.ones((3, 3))
    table = ClassMap(
        classes=classes,
        groups=np.array([], np.str_),
        share=share,
        low=share - 0.05,
        high=share + 0.05,
        agreement=np.full((3, 3), np.nan),
        p_value=p_value,
    )
    quiet = dataclasses.replace(pair, class_map=table)
    names = loaded.data.classes
    assert cells.where(quiet, names).startswith("In no cell do the two differ beyond chance")
    p_value[0, 1] = 0.01
    said = cells.where(quiet, names)
    assert (
        "most in how images of 3 are learned from training images of 7: 50% [45%, 55%] of all"
        in said
    )
    assert "In 1 of 9 cells" in said
    drawn = map_chart.class_map(cells.cells(table, names), cells.class_names(table, names))
    rows = drawn["data"]["values"]
    assert [row["share"] for row in rows if row["test"] == row["train"] == cells.REST] == [0.0]
    assert cells.where(dataclasses.replace(pair, class_map=None), names) == ""


def test_a_group_stands_in_the_map_as_part_of_the_classes(loaded):
    (pair,) = loaded.pairs
    share = np.array([[1.0, 0.4], [0.5, 0.3]])
    table = ClassMap(
        classes=np.array([3]),
        groups=np.array(["<b>"]),
        share=share,
        low=share - 0.1,
        high=np.array([[1.1, 0.5], [0.6, np.nan]]),
        agreement=np.full((2, 2), np.nan),
        p_value=np.array([[0.5, 0.5], [0.5, 0.01]]),
    )
    table.low[1, 1] = np.nan
    said = cells.where(dataclasses.replace(pair, class_map=table), loaded.data.classes)
    assert said == (
        "In 1 of 4 cells the two differ beyond chance (p-values are corrected for all of them). "
        "What the images of <b> teach of one another is 30% of all that differs."
    )
    assert cells.class_names(table, loaded.data.classes) == ["3", "group <b>"]
