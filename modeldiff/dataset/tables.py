"""Tables: files of rows with a column of labels, and scikit-learn's own.

pandas is imported where it is used: most studies have no table.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff.core import paths, rng
from modeldiff.core.errors import UserError, shown
from modeldiff.dataset.raw import Images, Raw
from modeldiff.study.columns import VALUE
from modeldiff.study.kinds import TABLE
from modeldiff.study.sizes import SKLEARN, test_rows

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 1000
MOST_TEXTS = 100  # different texts in a column, each of which becomes a column


def table(
    *,
    label: str,
    path: str | None = None,
    train: str | None = None,
    test: str | None = None,
    test_share: float = 0.25,
) -> Raw:
    """Rows of CSV or Parquet files.

    label: the column of labels; classes are its values, in their order. path: one file, of which a
    random share of the rows, `test_share`, is for tests; or train and test: a file each. Rows keep
    their order. Columns of numbers are taken as they are; of a column of texts each text becomes a
    column of its own, `NAME=TEXT`, 1 where the row has it and 0 elsewhere.
    Raises UserError, one line, for a file that cannot be read, missing values and other columns.
    """
    import pandas as pd

    if path is not None:
        rows = _read("path", path)
        n_test = test_rows(len(rows), test_share)
        chosen = rng.permutation(len(rows), "table", "split")[:n_test]
        of_test = np.isin(np.arange(len(rows)), chosen)
    else:
        assert train is not None  # as the config is checked
        assert test is not None
        parts = [_read("train", train), _read("test", test)]
        if set(parts[0].columns) != set(parts[1].columns):
            different = sorted(set(parts[0].columns) ^ set(parts[1].columns))
            raise UserError(f"dataset.test: {test}: {different[0]} is a column of one file only")
        of_test = np.repeat([False, True], [len(parts[0]), len(parts[1])])
        rows = pd.concat(parts, ignore_index=True)
    if label not in rows.columns:
        names = ", ".join(map(str, rows.columns[:10]))
        raise UserError(f"dataset.label: is {shown(label)}; must be a column: {names}")
    _refuse_missing(rows)
    labels, classes = _classes(rows[label], label)
    numbers = _numbers(rows.drop(columns=label))
    values = numbers.to_numpy(np.float32)
    if not np.isfinite(values).all():
        column = numbers.columns[np.argmin(np.isfinite(values).all(0))]
        raise UserError(f"dataset: column {column}: holds numbers that float32 cannot; scale them")
    return _split(values, labels, of_test, classes, tuple(numbers.columns))


def sklearn_table(*, table: str, test_share: float = 0.25) -> Raw:
    """One of the tables that come with scikit-learn, a random share of its rows for tests."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{table}")()
    n = len(found.target)
    n_test = test_rows(n, test_share)
    chosen = rng.permutation(n, "sklearn", table, "split")[:n_test]
    values = found.data.astype(np.float32)
    columns = tuple(map(str, found.feature_names))
    of_test = np.isin(np.arange(n), chosen)
    return _split(values, found.target, of_test, SKLEARN[table].classes, columns)


def _split(
    values: np.ndarray,
    labels: np.ndarray,
    of_test: np.ndarray,
    classes: Sequence[str],
    columns: tuple[str, ...],
) -> Raw:
    labels = labels.astype(np.int64)
    train = Images(values[~of_test], labels[~of_test])
    test = Images(values[of_test], labels[of_test])
    return Raw(train, test, tuple(classes), kind=TABLE.name, columns=columns)


def _read(key: str, path: str) -> "pd.DataFrame":
    """A file's rows; UserError, which names the key, if there are none."""
    import pandas as pd

    paths.check(path)
    try:
        rows = pd.read_parquet(path) if Path(path).suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, ImportError) as error:  # pandas's own are all ValueErrors
        reason = " ".join(str(error).split())
        raise UserError(f"dataset.{key}: {path}: cannot be read as a table: {reason}") from None
    rows.columns = rows.columns.map(str)
    if not len(rows) or not rows.columns.is_unique:
        raise UserError(f"dataset.{key}: {path}: must have rows, and columns of different names")
    return rows


def _refuse_missing(rows: "pd.DataFrame") -> None:
    missing = rows.isna().sum()
    for column, count in missing[missing > 0].items():
        what = f"{count} of {len(rows)} values are missing"
        raise UserError(f"dataset: column {column}: {what}; fill them in, or leave the rows out")


def _classes(values: "pd.Series", label: str) -> tuple[np.ndarray, list[str]]:
    """Labels int64 [n], and the classes' names."""
    import pandas as pd

    labels, found = pd.factorize(values, sort=True)
    if not 2 <= len(found) <= MOST_CLASSES:
        what = f"column {label} has {len(found)} different values"
        raise UserError(f"dataset.label: {what}; must be 2 to {MOST_CLASSES} classes")
    return labels, list(map(str, found))


def _numbers(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The columns as numbers; texts as a column for each."""
    import pandas as pd

    made = {}
    for name, values in rows.items():
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
            made[str(name)] = values.astype(np.float64)
            continue
        category = isinstance(values.dtype, pd.CategoricalDtype)
        if not category and not pd.api.types.is_string_dtype(values):
            must = "must be of numbers or of texts"
            raise UserError(f"dataset: column {name}: is {values.dtype}; {must}")
        texts = values.astype(str)
        different = sorted(texts.unique())
        if len(different) > MOST_TEXTS:
            what = f"has {len(different)} different texts"
            raise UserError(f"dataset: column {name}: {what}; must be at most {MOST_TEXTS}")
        for text in different:
            made[f"{name}{VALUE}{text}"] = (texts == text).astype(np.float64)
    if not made:
        raise UserError("dataset: the table must have a column besides the labels")
    return pd.DataFrame(made)
