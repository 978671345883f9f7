"""Phrases put into texts, replaced or deleted. Texts are uint8 [n x length], padded with zeros.

A text that grows is cut at its length.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from modeldiff.study.kinds import decoded, encoded


def insert_phrase(
    texts: np.ndarray, strength: float, *, phrase: str, at: Literal["start", "end"] = "start"
) -> np.ndarray:
    """Put a phrase at the start or the end of each text, `strength` times.

    At the end it takes the place of the last bytes of a text that has no room left.
    """
    added = f"{phrase} " * int(strength)
    if at == "start":
        return _changed(texts, lambda text: added + text)
    length = texts.shape[1]
    ending = f" {added.strip()}" if added else ""
    room = max(0, length - len(ending.encode()))

    def ended(text: str) -> str:
        return text.encode()[:room].decode(errors="ignore") + ending

    return _changed(texts, ended) if added else texts.copy()


def replace_phrase(texts: np.ndarray, strength: float, *, phrase: str, by: str) -> np.ndarray:
    """Put another phrase in place of the first `strength` occurrences of one in each text."""
    return _changed(texts, lambda text: text.replace(phrase, by, int(strength)))


def delete_phrase(texts: np.ndarray, strength: float, *, phrase: str) -> np.ndarray:
    """Leave out the first `strength` occurrences of a phrase in each text."""
    return replace_phrase(texts, strength, phrase=phrase, by="")


def _changed(texts: np.ndarray, change: Callable[[str], str]) -> np.ndarray:
    return encoded([change(text) for text in decoded(texts)], texts.shape[1])
