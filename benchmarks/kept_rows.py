"""What benchmarks share: rows that are kept as they come, tables that stand between marks."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from planted import PHOTOS

from modeldiff.core import artifacts

Row = dict[str, Any]


class KeptRows:
    """The rows of a file of JSON lines: a run that was cut goes on with those that are missing."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[Row] = []
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text().splitlines()]

    def missing(self, keys: Iterable[Row]) -> Iterator[Row]:
        """The keys that no row has, but for photos where there are none."""
        for key in keys:
            absent = key["kind"].startswith("photos") and not PHOTOS.exists()
            if not absent and not any(row.items() >= key.items() for row in self.rows):
                yield key

    def add(self, row: Row) -> None:
        """Keep a row, in the file, too."""
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def put_between_marks(page: Path, mark: str, lines: Sequence[str]) -> None:
    """Lines in place of those between `<!-- mark -->` and `<!-- /mark -->` of a document."""
    first = f"<!-- {mark} -->\n"
    last = f"<!-- /{mark} -->"
    before, _, rest = page.read_text().partition(first)
    after = rest.partition(last)[2]
    page.write_text(before + first + "\n".join(lines) + "\n" + last + after)


def machine() -> str:
    """What figures were made on."""
    cpu = artifacts.origin()["hardware"]["cpu"]
    return f"{cpu}, torch {torch.__version__}, one thread"
