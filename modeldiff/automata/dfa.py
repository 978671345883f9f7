"""Deterministic finite automata: run, minimised, compared exactly, written as JSON and Graphviz.

A word is a tuple of symbols, and a symbol a number from 0.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from modeldiff.core.errors import UserError, shown

Word = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dfa:
    """A complete automaton that begins in state 0.

    transitions: the state after each symbol, int64 [states x symbols]. accepting: bool [states].
    Raises UserError if they do not make an automaton.
    """

    transitions: np.ndarray
    accepting: np.ndarray

    def __post_init__(self) -> None:
        transitions, accepting = self.transitions, self.accepting
        whole = transitions.dtype.kind in "iu" and accepting.dtype.kind == "b"
        if not whole or transitions.ndim != 2 or 0 in transitions.shape:
            raise UserError("an automaton: transitions must be int [states x symbols]")
        if accepting.shape != transitions.shape[:1]:
            raise UserError(f"accepting: is {accepting.shape}; must be bool [{self.states}]")
        if transitions.min() < 0 or transitions.max() >= self.states:
            raise UserError(
                f"transitions: lead elsewhere than to the states 0 to {self.states - 1}"
            )

    @property
    def states(self) -> int:
        return len(self.transitions)

    @property
    def symbols(self) -> int:
        return self.transitions.shape[1]

    def path(self, word: Word) -> list[int]:
        """The states passed, from state 0 to that after the last symbol."""
        states = [0]
        for symbol in word:
            states.append(int(self.transitions[states[-1], symbol]))
        return states

    def accepts(self, words: Sequence[Word]) -> np.ndarray:
        """Which words are accepted, bool [words]; all are run at once."""
        states = np.zeros(len(words), np.int64)
        lengths = np.array([len(word) for word in words], np.int64)
        symbols = np.zeros((len(words), lengths.max(initial=0)), np.int64)
        for row, word in zip(symbols, words, strict=True):
            row[: len(word)] = word
        for position in range(symbols.shape[1]):
            following = self.transitions[states, symbols[:, position]]
            states = np.where(position < lengths, following, states)
        accepted: np.ndarray = self.accepting[states]
        return accepted

    def minimal(self) -> "Dfa":
        """The smallest automaton of the same language, numbered as `_reached` finds its states.

        Two automata have the same language if, and only if, these arrays are equal. Moore's
        refinement of classes.
        """
        states = _reached(self.transitions, 0)
        number = np.zeros(self.states, np.int64)
        number[states] = np.arange(len(states))
        transitions = number[self.transitions[states]]
        accepting = self.accepting[states]
        classes = accepting.astype(np.int64)
        known = 0
        while known < len(np.unique(classes)):
            known = len(np.unique(classes))
            behaviour = np.column_stack([classes, classes[transitions]])
            classes = np.unique(behaviour, axis=0, return_inverse=True)[1].reshape(-1)
        representatives = np.unique(classes, return_index=True)[1]
        merged = classes[transitions[representatives]]
        order = _reached(merged, int(classes[0]))
        place = np.argsort(order)
        return Dfa(
            transitions=place[merged[order]],
            accepting=accepting[representatives[order]],
        )

    def to_json(self) -> str:
        """`{"transitions": [[1, 0], ...], "accepting": [true, ...]}`; see `from_json`."""
        parts = {"transitions": self.transitions.tolist(), "accepting": self.accepting.tolist()}
        return json.dumps(parts)

    @classmethod
    def from_json(cls, text: str) -> "Dfa":
        """What `to_json` wrote; UserError if it is anything else."""
        try:
            parts = json.loads(text)
            transitions = np.array(parts["transitions"])
            accepting = np.array(parts["accepting"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UserError(f"an automaton in JSON: cannot be read: {shown(text)}") from None
        return cls(transitions=transitions, accepting=accepting)

    def dot(self, names: Sequence[str] = ()) -> str:
        """The automaton for Graphviz (`dot -Tsvg`); names: of the symbols, else their numbers."""
        labels = [str(name) for name in names or range(self.symbols)]
        lines = ["digraph {", "  rankdir=LR;", '  start [shape=none, label=""];', "  start -> 0;"]
        for state in range(self.states):
            shape = "doublecircle" if self.accepting[state] else "circle"
            lines.append(f"  {state} [shape={shape}];")
            for target in sorted(set(self.transitions[state].tolist())):
                symbols = np.flatnonzero(self.transitions[state] == target)
                label = ", ".join(labels[symbol] for symbol in symbols)
                escaped = label.replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'  {state} -> {target} [label="{escaped}"];')
        return "\n".join([*lines, "}", ""])


def same_language(a: Dfa, b: Dfa) -> bool:
    """Whether both accept the same words; exact."""
    smaller_a, smaller_b = a.minimal(), b.minimal()
    same_transitions = np.array_equal(smaller_a.transitions, smaller_b.transitions)
    return same_transitions and np.array_equal(smaller_a.accepting, smaller_b.accepting)


def differing_words(a: Dfa, b: Dfa, longest: int) -> Iterator[Word]:
    """All words of at most `longest` symbols that one accepts and the other does not.

    The shortest first, those of one length in the order of their symbols.
    """
    following, differ = _product(a, b)
    leads = [differ]  # leads[n]: the pairs of states from which a word of n symbols is such a word
    for length in range(longest + 1):
        if leads[length][0]:
            yield from _words(length, following, leads)
        leads.append(leads[length][following].any(axis=1))


def shortest_differing_word(a: Dfa, b: Dfa) -> Word | None:
    """The first of `differing_words` of any length; None if both have the same language."""
    if same_language(a, b):
        return None
    return next(differing_words(a, b, a.states + b.states))  # it is never longer than that


def share_differing(a: Dfa, b: Dfa, longest: int) -> float:
    """The share of random words on which they differ, exact: the mean of the shares of all
    lengths from 0 to `longest`, as `words.random_words` draws them.
    """
    following, differ = _product(a, b)
    chance = np.zeros(len(differ))  # that a random word of this length ends in each pair of states
    chance[0] = 1
    shares = [chance @ differ]
    for _ in range(longest):
        after = [
            np.bincount(following[:, symbol], weights=chance, minlength=len(chance))
            for symbol in range(a.symbols)
        ]
        chance = np.mean(after, axis=0)
        shares.append(chance @ differ)
    return float(np.mean(shares))


def words_up_to(longest: int, symbols: int) -> Iterator[Word]:
    """All words of at most `longest` symbols, the shortest first."""
    for length in range(longest + 1):
        yield from product(range(symbols), repeat=length)


def _product(a: Dfa, b: Dfa) -> tuple[np.ndarray, np.ndarray]:
    """Both run side by side: the pairs of states after each symbol, int64 [pairs x symbols], and
    whether one state accepts and the other does not, bool [pairs]; the first pair is the start.
    """
    if a.symbols != b.symbols:
        raise UserError(f"automata of {a.symbols} and {b.symbols} symbols cannot be compared")
    following = a.transitions[:, None, :] * b.states + b.transitions[None, :, :]
    differ = a.accepting[:, None] != b.accepting[None, :]
    return following.reshape(-1, a.symbols), differ.reshape(-1)


def _words(length: int, following: np.ndarray, leads: list[np.ndarray]) -> Iterator[Word]:
    """The words of this length that lead from the first pair of states to one that differs."""
    begun: list[tuple[Word, int]] = [((), 0)]
    while begun:
        word, pair = begun.pop()
        left = length - len(word)
        if left == 0:
            yield word
            continue
        for symbol in reversed(range(following.shape[1])):
            after = int(following[pair, symbol])
            if leads[left - 1][after]:
                begun.append(((*word, symbol), after))


def _reached(transitions: np.ndarray, start: int) -> np.ndarray:
    """The states that words reach from `start`, breadth first, int64 [reached]."""
    found = [start]
    seen = {start}
    for state in found:  # which grows
        for after in transitions[state].tolist():
            if after not in seen:
                seen.add(after)
                found.append(after)
    return np.array(found)
