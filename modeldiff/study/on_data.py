"""A study on its data: columns and symbols that its config names are looked up there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from modeldiff.study import columns, symbols
from modeldiff.study.columns import Column
from modeldiff.study.components import Component
from modeldiff.study.study import Study

# Of a transformation, what the data have, and the key in messages: the transformation, looked up.
LookUp = Callable[[Component, Sequence[Any], str], Component]


def on_data(study: Study, table: Sequence[Column], alphabet: Sequence[str], rows: Any) -> Study:
    """The study on a table of these columns, or on sequences of these symbols; else as it is.

    rows: the training examples, float32 [n x columns] of a table; others are not looked at.
    Raises UserError for what they do not have.
    """
    if alphabet:
        return _looked_up(study, symbols.completed_feature, alphabet, "symbols")
    if not table:
        return study
    algorithms = {}
    for name, entry in study.algorithms.items():
        at = f"algorithms.{name}.preprocess"
        steps = columns.completed_steps(entry.preprocess, table, at)
        algorithms[name] = replace(entry, preprocess=steps)
    on_columns = replace(study, algorithms=algorithms)

    def look_up(part: Component, known: Sequence[Column], where: str) -> Component:
        return columns.completed_feature(part, known, rows, where)

    return _looked_up(on_columns, look_up, table, "column")


def _looked_up(study: Study, look_up: LookUp, known: Sequence[Any], option: str) -> Study:
    """The study with all its transformations, that of the plant too, looked up.

    known: the columns or symbols. option: by which transformations name them.
    """
    transformations = {}
    for name, shown in study.transformations.items():
        at = f"verification.transformations.{name}.{option}"
        transformations[name] = replace(shown, part=look_up(shown.part, known, at))
    plant = study.plant
    if plant is not None:
        at = f"dataset.plant.options.{option}"
        plant = replace(plant, feature=look_up(plant.feature, known, at))
    return replace(study, transformations=transformations, plant=plant)
