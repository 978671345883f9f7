"""Columns of tables: parts of a config that name them, and what only the data say of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
from pydantic import ValidationError

from modeldiff.core.errors import UserError, shown
from modeldiff.study import mistakes
from modeldiff.study.components import Component
from modeldiff.study.config_file import KeyPath
from modeldiff.study.section import parts_of
from modeldiff.study.transformation_section import Transformation

FROM_FILES = ("table", "texts", "sequences")  # data sets that are files of examples
VALUE = "="  # between the name of a column of texts and one of its values: `colour=red`


def contradicted(dataset: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the files of examples, and with the options of what is planted."""
    if dataset["name"] in FROM_FILES:
        whole = "path" in dataset
        for key in ("train", "test"):
            if whole and key in dataset:
                yield ("dataset", key), "is not used together with `path`: remove one of them"
            if not whole and key not in dataset:
                yield ("dataset", key), "is missing; or `path`, one file that is split"
    plant = dataset.get("plant")
    if plant:
        yield from _options(plant["feature"], plant.get("options", {}))


def _options(feature: str, given: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the options of a planted feature that comes with ModelDiff."""
    for part in parts_of(Transformation):
        if feature not in get_args(part.model_fields["name"].annotation):
            continue
        try:
            part.model_validate({**given, "name": feature, "class": "any", "strengths": [1, 2, 3]})
        except ValidationError as error:
            first = error.errors()[0]
            said = {"missing": "is missing", "extra_forbidden": "is not a key of it: remove it"}
            what = said.get(first["type"], first["msg"])
            yield ("dataset", "plant", "options", *first["loc"]), what


class Column(NamedTuple):
    """A column of a table: its name, and mean and standard deviation over all training rows."""

    name: str
    mean: float
    sd: float


def completed_steps(
    steps: Sequence[Component], columns: Sequence[Column], where: str
) -> tuple[Component, ...]:
    """Steps of `preprocess`, told the places of the columns that they name, and what they need.

    where: the key of the steps, for the UserError if there is no such column.
    """
    left = list(columns)
    completed = []
    for step in steps:
        options = step.options
        if step.name == "drop_columns":
            dropped: list[int] = []
            for name in options["columns"]:
                dropped += places(name, left, where)
            options = {"columns": sorted(set(dropped))}
            left = [column for i, column in enumerate(left) if i not in dropped]
        elif step.name == "standardise":
            means = [column.mean for column in left]
            options = {"mean": means, "sd": [column.sd or 1.0 for column in left]}
        completed.append(replace(step, options=options))
    return tuple(completed)


def completed_feature(
    part: Component, columns: Sequence[Column], rows: np.ndarray, where: str
) -> Component:
    """A transformation of one column, told its place, and its standard deviation or its values
    if it asks.

    rows: all training rows, float32 [n x columns].
    """
    if part.name not in ("set_column", "shift_column", "bin_column"):
        return part
    name = part.options["column"]
    found = places(name, columns, where)
    if len(found) > 1:
        raise UserError(f"{where}: {shown(name)} is {len(found)} columns; must be one of them")
    options = part.options | {"column": found[0]}
    if part.name == "shift_column":
        options["sd"] = columns[found[0]].sd
    if part.name == "bin_column":
        options["values"] = rows[:, found[0]]
    return replace(part, options=options)


def places(name: str, columns: Sequence[Column], where: str) -> list[int]:
    """Where the column of this name stands, or all columns made of a column of texts."""
    names = [column.name for column in columns]
    if name in names:
        return [names.index(name)]
    found = [i for i, each in enumerate(names) if each.startswith(f"{name}{VALUE}")]
    if not found:
        near = mistakes.any_of(name, names, ", ")
        raise UserError(f"{where}: is {shown(name)}; must be a column: {near}")
    return found
