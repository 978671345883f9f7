"""An automaton learned from that of another classifier, with fewer queries than from nothing.

Source: Ferreira, van Heerdt & Silva, "Tree-Based Adaptive Model Learning" (2022, arXiv 2209.00122).
"""

from modeldiff.automata.learn import Learned, Search, improve
from modeldiff.automata.words import Oracle


def relearn(oracle: Oracle, before: Learned, search: Search) -> Learned:
    """Learn an automaton of this classifier, beginning with the tree of another one's.

    The access words of the other's states are sifted anew, the shortest first. Those that come to
    the same leaf are one state now; a suffix that tells none of them apart is pruned. Whatever is
    left was seen in this classifier's own answers. Then counterexamples are sought as in `learn`.
    """
    tree = before.tree.suffixes_alone()
    words = sorted((leaf.word for leaf in before.tree.leaves), key=lambda word: (len(word), word))
    return improve(oracle, search, tree, words)
