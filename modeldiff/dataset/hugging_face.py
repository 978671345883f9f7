"""Folders that Hugging Face's `datasets` has written: their rows, as those of a file."""

from collections.abc import Iterator
from typing import Any

from modeldiff.core.errors import UserError


def rows(where: str, path: str, columns: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of a folder that `Dataset.save_to_disk` has written, as far as `columns` go.

    columns: of the examples and of the labels; a label that is the number of a class becomes its
    name. where: the key and the path, for the UserError if it is something else.
    """
    try:
        import datasets
    except ImportError:
        must = "which takes Hugging Face's `datasets`: pip install datasets; or name a file"
        raise UserError(f"{where}: is a folder, {must}") from None
    try:
        found = datasets.load_from_disk(path)
    except (OSError, ValueError):
        must = "must be a file, or a folder that Dataset.save_to_disk has written"
        raise UserError(f"{where}: {must}") from None
    if isinstance(found, datasets.DatasetDict):
        splits = " and ".join(found)
        raise UserError(f"{where}: holds folders {splits}; must be one of these")
    if missing := {*columns} - {*found.column_names}:
        have = ", ".join(found.column_names)
        raise UserError(f"{where}: has no column {min(missing)}; its columns are {have}")
    example, label = columns
    names = getattr(found.features[label], "names", [])
    for value, of_class in zip(found[example], found[label], strict=True):
        # Rows of test splits that have no label have -1.
        named = names[of_class] if of_class in range(len(names)) else of_class
        yield {example: value, label: named}
