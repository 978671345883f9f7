"""Symbols of sequences: how they are kept, and parts of a config that name them.

A sequence is uint8 [length]: symbol i of the alphabet is i + 1, and 0 is padding at the end.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modeldiff.core.errors import UserError, shown
from modeldiff.study import mistakes
from modeldiff.study.components import Component

MOST_SYMBOLS = 255
FEATURES = ("append_symbols", "insert_symbols")


def symbols_of(value: str | Sequence[str | int]) -> tuple[str, ...]:
    """The symbols of a sequence in a file or a config: its letters, or the entries of a list."""
    return tuple(map(str, value))


def coded(words: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Words of symbols 0, 1, ... as they are kept, uint8 [n x length]; what is longer is cut."""
    content = np.zeros((len(words), length), np.uint8)
    for row, word in zip(content, words, strict=True):
        kept = word[:length]
        row[: len(kept)] = np.array(kept, np.int64) + 1
    return content


def marks(sequence: np.ndarray, alphabet: Sequence[str]) -> str:
    """A sequence as the page shows it: its symbols, with spaces between them."""
    return " ".join(alphabet[code - 1] for code in sequence.tolist() if code)


def completed_feature(part: Component, alphabet: Sequence[str], where: str) -> Component:
    """A transformation of sequences, told as which bytes the symbols that it names are kept."""
    if part.name not in FEATURES:
        return part
    codes = []
    for symbol in symbols_of(part.options["symbols"]):
        if symbol not in alphabet:
            near = mistakes.any_of(symbol, alphabet, ", ")
            raise UserError(f"{where}: holds {shown(symbol)}; must be symbols: {near}")
        codes.append(alphabet.index(symbol) + 1)
    return replace(part, options=part.options | {"symbols": codes})
