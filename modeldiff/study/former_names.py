"""Keys and values of earlier versions: taken for those of this version, and said so."""

from collections.abc import Iterator
from typing import Any

RENAMED = {("comparison", "flips"): "permutations"}
GONE = {("comparison", "rows", "root"): "unit"}


def replace(config: dict[str, Any]) -> Iterator[str]:
    """Give `config` the present names and values, in place; yields a line for each.

    A key that stands there by both names keeps both: the old one is no key then.
    """
    for (section, former), name in RENAMED.items():
        entries = config.get(section)
        if isinstance(entries, dict) and former in entries and name not in entries:
            entries[name] = entries.pop(former)
            yield f"{section}.{former} is called `{name}` now"
    for (section, key, former), value in GONE.items():
        entries = config.get(section)
        if isinstance(entries, dict) and entries.get(key) == former:
            entries[key] = value
            yield f"{section}.{key}: `{former}` is no more, `{value}` is taken"
