"""What the user knows of the test images: columns of a table, and groups of `proof.groups`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.proof.proposals import of_group

MOST_VALUES = 100  # of a column of texts, each of which is an attribute


def of_table(path: str | Path, images: int) -> dict[str, np.ndarray]:
    """The columns of a table as attributes, float64 [images] each: `metadata COLUMN`.

    path: .csv with a header and a row for each test image, in their order. images: how many there
    are. Of a column of texts, each text is an attribute of its own, 1 where it stands: `metadata
    COLUMN TEXT`. Raises UserError for another number of rows, what is missing, and too many texts.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # which all of pandas's are
        said = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as a CSV file: {said}") from None
    if len(table) != images:
        wanted = f"must have one for each of the {images:,} test images, in their order"
        raise UserError(f"{path}: has {len(table):,} rows; {wanted}")
    found: dict[str, np.ndarray] = {}
    for name, column in table.items():
        if column.isna().any():
            row = int(column.isna().argmax())
            raise UserError(f"{path}: column {name}: has nothing for test image {row}")
        if pd.api.types.is_numeric_dtype(column):
            found[f"metadata {name}"] = column.to_numpy(np.float64)
            continue
        texts = column.astype(str)
        values = sorted(texts.unique())
        if len(values) > MOST_VALUES:
            wanted = f"must be numbers, or at most {MOST_VALUES} texts"
            raise UserError(f"{path}: column {name}: has {len(values):,} texts; {wanted}")
        for value in values:
            found[f"metadata {name} {value}"] = (texts == value).to_numpy(np.float64)
    for name, values_of in found.items():
        if not np.isfinite(values_of).all():
            raise UserError(f"{path}: column {name.removeprefix('metadata ')}: is not finite")
    return found


def of_groups(groups: Mapping[str, str | Path], data: Dataset) -> dict[str, np.ndarray]:
    """Which test images each group of `proof.groups` names, float64 [test images]: `group NAME`."""
    found = {}
    n_test = len(data.test.labels)
    for name, path in groups.items():
        group = of_group(name, path, data.train.labels, n_test, data.targets)
        members = np.zeros(n_test)
        members[data.targets[group.targets > 0]] = 1
        found[group.source] = members
    return found
