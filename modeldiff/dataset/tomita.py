"""The seven languages of Tomita (1982) over the symbols 0 and 1, on which learners are tested."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from modeldiff.core import arguments

Word = tuple[int, ...]

IN_WORDS = {
    1: "only 1s",
    2: "10, repeated",
    3: "no odd run of 1s with an odd run of 0s right after it",
    4: "no 000",
    5: "an even number of 0s, and of 1s",
    6: "as many 0s as 1s, modulo 3",
    7: "at most the runs 0s, 1s, 0s, 1s",
}
STATES = {1: 2, 2: 3, 3: 5, 4: 4, 5: 4, 6: 3, 7: 5}  # of the smallest complete automaton


def in_language(language: int, words: Sequence[Word]) -> np.ndarray:
    """Which words belong to a Tomita language, 1 to 7: bool [words]."""
    arguments.whole("language", language, 1, 7)
    belongs = _TESTS[language]
    return np.array([belongs("".join(map(str, word))) for word in words], bool)


def _no_odd_runs(text: str) -> bool:
    pairs = re.findall("(1+)(0+)", text)
    return not any(len(ones) % 2 and len(zeros) % 2 for ones, zeros in pairs)


_TESTS: dict[int, Callable[[str], bool]] = {
    1: lambda text: "0" not in text,
    2: lambda text: text == "10" * (len(text) // 2),
    3: _no_odd_runs,
    4: lambda text: "000" not in text,
    5: lambda text: text.count("0") % 2 == 0 and text.count("1") % 2 == 0,
    6: lambda text: (text.count("0") - text.count("1")) % 3 == 0,
    7: lambda text: re.fullmatch("0*1*0*1*", text) is not None,
}
