"""Keys that had other names in earlier versions: taken for this version, and said so."""

from collections.abc import Iterator
from typing import Any

RENAMED = {("comparison", "flips"): "permutations"}


def replace(config: dict[str, Any]) -> Iterator[str]:
    """Give keys of `config` their present names, in place; yields a line for each.

    A key that stands there by both names keeps both: the old one is no key then.
    """
    for (section, former), name in RENAMED.items():
        entries = config.get(section)
        if isinstance(entries, dict) and former in entries and name not in entries:
            entries[name] = entries.pop(former)
            yield f"{section}.{former} is called `{name}` now"
