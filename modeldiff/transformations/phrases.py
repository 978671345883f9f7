"""Phrases put into texts, replaced or deleted; case and negation.

Texts are uint8 [n x length], padded with zeros. A text that grows is cut at its length.
"""

import re
from collections.abc import Callable
from typing import Literal

import numpy as np

from modeldiff.study.kinds import decoded, encoded

WORD = re.compile(r"\S+")
BETWEEN_SENTENCES = re.compile(r"((?<=[.!?])\s+)")
# In lower case alone: questions, which begin with one, are left as they are, and so is May. Not
# the first half of "can't".
AUXILIARY = re.compile(
    r"\b(am|is|are|was|were|has|have|had|do|does|did|can|could|may|might|must|shall|should|will|would)"
    r"\b(?!['\u2019])"
)


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


def change_case(
    texts: np.ndarray, strength: float, *, case: Literal["upper", "lower", "title"]
) -> np.ndarray:
    """Put the first `strength` words of each text into upper or lower case, or their first letters
    into upper case and the others into lower.
    """
    change = {"upper": str.upper, "lower": str.lower, "title": str.capitalize}[case]
    return _changed(
        texts,
        lambda text: (
            WORD.sub(lambda word: change(word[0]), text, int(strength)) if strength else text
        ),
    )


def negate(texts: np.ndarray, strength: float) -> np.ndarray:
    """Put "not" behind the first auxiliary or form of "be" in each of the first `strength` English
    sentences that have one, as in "it is not good"; a sentence that has its "not" there stays.
    """
    return _changed(texts, lambda text: _negated(text, int(strength)))


def _negated(text: str, most: int) -> str:
    left = most
    sentences = BETWEEN_SENTENCES.split(text)
    for place, sentence in enumerate(sentences):
        found = AUXILIARY.search(sentence)
        if left and found and not sentence[found.end() :].startswith(" not"):
            sentences[place] = f"{sentence[: found.end()]} not{sentence[found.end() :]}"
            left -= 1
    return "".join(sentences)


def _changed(texts: np.ndarray, change: Callable[[str], str]) -> np.ndarray:
    return encoded([change(text) for text in decoded(texts)], texts.shape[1])
