"""The files that a config names by their paths or by patterns."""

import glob
import os
from collections.abc import Iterable


def files(named: Iterable[str]) -> tuple[str, ...]:
    """The files of these paths and patterns, e.g. `runs/*.pt`, each once, in the order given.

    Those of one pattern are in the order of their names. A pattern may match none.
    """
    found: dict[str, None] = {}
    for text in named:
        matching = [text] if os.path.isfile(text) else sorted(glob.glob(text, recursive=True))
        found |= dict.fromkeys(path for path in matching if os.path.isfile(path))
    return tuple(found)
