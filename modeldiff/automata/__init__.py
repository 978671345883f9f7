"""Automata learned from sequence classifiers, and the words on which two recipes differ."""

from modeldiff.automata.comparison import Comparison, DistinguishingWord, compare
from modeldiff.automata.dfa import (
    Dfa,
    differing_words,
    same_language,
    share_differing,
    shortest_differing_word,
)
from modeldiff.automata.learn import Learned, Search, learn
from modeldiff.automata.relearn import relearn

__all__ = [
    "Comparison",
    "Dfa",
    "DistinguishingWord",
    "Learned",
    "Search",
    "compare",
    "differing_words",
    "learn",
    "relearn",
    "same_language",
    "share_differing",
    "shortest_differing_word",
]
