"""Random words, and answers of a classifier to words: each asked once, counted, and limited."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from modeldiff.automata.dfa import Word
from modeldiff.core import arguments, rng
from modeldiff.core.errors import UserError, described

Oracle = Callable[[list[Word]], Sequence[bool]]


class TooManyQueries(Exception):
    """The next answers would be more than may be asked."""


class Answers:
    """What a classifier says of words.

    oracle: takes a list of words and returns for each whether it is accepted. limit: of words that
    may be asked. known: the words that were asked, and their answers.
    """

    def __init__(self, oracle: Oracle, limit: int):
        self.oracle = oracle
        self.limit = limit
        self.known: dict[Word, bool] = {}

    @property
    def queries(self) -> int:
        """How many different words were asked: membership queries."""
        return len(self.known)

    def ask(self, words: Iterable[Word]) -> list[bool]:
        """The answers to these words; those that are not known yet are asked all at once.

        Raises TooManyQueries, before anything is asked, if there would be more than `limit`.
        """
        wanted = list(words)
        new = [word for word in dict.fromkeys(wanted) if word not in self.known]
        if self.queries + len(new) > self.limit:
            raise TooManyQueries
        if new:
            self.known.update(zip(new, said_of(self.oracle, new).tolist(), strict=True))
        return [self.known[word] for word in wanted]


def said_of(oracle: Oracle, words: list[Word]) -> np.ndarray:
    """What a classifier says of words, bool [words]; UserError if it is anything else."""
    said = arguments.array("an oracle's answers", oracle(words))
    if said.shape != (len(words),) or said.dtype.kind != "b":
        raise UserError(
            f"an oracle's answers: are {described(said)}; must be a bool for each of "
            f"{len(words)} words"
        )
    return said


def random_words(n: int, symbols: int, longest: int, *key: rng.Key) -> list[Word]:
    """`n` words whose length is uniform from 0 to `longest`, and so is each symbol."""
    lengths = (rng.uniform(n, "length", *key) * (longest + 1)).astype(np.int64)
    drawn = (rng.uniform(n * longest, "symbols", *key) * symbols).astype(np.int64)
    rows = drawn.reshape(n, longest).tolist()
    return [tuple(row[:length]) for row, length in zip(rows, lengths.tolist(), strict=True)]
