"""An automaton of a classifier, learned from its answers to words (Kearns & Vazirani 1994).

The states are the leaves of a classification tree. A counterexample, a word on which automaton and
classifier differ, is reduced by binary search to one wrong transition (Rivest & Schapire 1993),
and splits one state in two. Counterexamples are sought among n random words: an automaton that is
wrong on more than 3/n of all such words agrees on these with a chance of 5% at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modeldiff.automata.classification_tree import ClassificationTree, Node
from modeldiff.automata.dfa import Dfa, Word
from modeldiff.automata.words import Answers, Oracle, TooManyQueries, random_words
from modeldiff.core import arguments

AT_ONCE = 100  # random words that are asked at once; none is asked after a counterexample


@dataclass(frozen=True, kw_only=True)
class Search:
    """How automata are learned.

    symbols: of the alphabet. longest: symbols of a random word; their length is uniform up to that.
    agree: random words in a row on which an automaton must agree, new ones for each automaton.
    limit: of membership queries; a classifier that no small automaton agrees with needs more.
    seed: of the random words. Raises UserError for numbers that make no sense.
    """

    symbols: int
    longest: int = 20
    agree: int = 1000
    limit: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.whole("symbols", self.symbols, 1)
        arguments.whole("longest", self.longest, 1)
        arguments.whole("agree", self.agree, 1)
        arguments.whole("limit", self.limit, 100)
        arguments.whole("seed", self.seed, 0)


@dataclass(frozen=True)
class Learned:
    """An automaton, and what it took.

    dfa: minimal. tree: from which another classifier's automaton can be learned. queries: all
    membership queries. found_after: how many had been asked when this automaton was found; those
    after it only confirm it. finished: it agrees with `Search.agree` random words and with every
    answer; otherwise the limit was reached, and it is the last one.
    """

    dfa: Dfa
    tree: ClassificationTree
    queries: int
    found_after: int
    finished: bool


def learn(oracle: Oracle, search: Search) -> Learned:
    """Learn an automaton from nothing but answers."""
    return improve(oracle, search, ClassificationTree(), words=[])


def improve(
    oracle: Oracle, search: Search, tree: ClassificationTree, words: Sequence[Word]
) -> Learned:
    """Go on from a tree until its automaton agrees with the classifier, or the limit is reached.

    tree: without leaves; it grows. words: access words of states that there may be.
    """
    answers = Answers(oracle, search.limit)
    learner = _Learner(tree, answers, search)
    try:
        learner.begin(words)
        learner.run()
        finished = True
    except TooManyQueries:
        finished = False
    return Learned(
        dfa=learner.dfa.minimal(),
        tree=tree,
        queries=answers.queries,
        found_after=learner.found_after,
        finished=finished,
    )


class _Learner:
    """dfa: the automaton of the tree; its states are numbered as the leaves. targets: the node
    that each state's word, with each symbol added, has come to.
    """

    def __init__(self, tree: ClassificationTree, answers: Answers, search: Search):
        self.tree = tree
        self.answers = answers
        self.search = search
        self.targets: list[list[Node]] = []
        self.found_after = 0
        nothing = np.zeros((1, search.symbols), np.int64)
        self.dfa = Dfa(transitions=nothing, accepting=np.zeros(1, bool))

    def begin(self, words: Sequence[Word]) -> None:
        """States for the empty word, which is the first, and for whichever of these differ."""
        root = self.tree.root
        self.tree.sift([()], [root], self.answers)
        self.tree.sift(words, [root] * len(words), self.answers)
        self.tree.prune()
        self.rebuild()

    def run(self) -> None:
        """Seek counterexamples, and split states, until none is found."""
        automata = 0
        while (word := self.counterexample(automata)) is not None:
            automata += 1
            while self.dfa.accepts([word])[0] != self.answers.ask([word])[0]:
                self.refine(word)
                self.rebuild()

    def rebuild(self) -> None:
        """Sift on whatever has not come to a leaf: all transitions of new states, and those that
        came to a leaf which has been split since.
        """
        while pending := self.pending():
            words = [(*self.tree.leaves[state].word, symbol) for state, symbol in pending]
            nodes = [self.targets[state][symbol] for state, symbol in pending]
            leaves = self.tree.sift(words, nodes, self.answers)
            for (state, symbol), leaf in zip(pending, leaves, strict=True):
                self.targets[state][symbol] = leaf
        accepting = self.answers.ask(leaf.word for leaf in self.tree.leaves)
        transitions = [[node.state for node in row] for row in self.targets]
        self.dfa = Dfa(transitions=np.array(transitions), accepting=np.array(accepting))
        self.found_after = self.answers.queries

    def pending(self) -> list[tuple[int, int]]:
        """States and symbols whose transition has not come to a leaf."""
        while len(self.targets) < len(self.tree.leaves):
            self.targets.append([self.tree.root] * self.search.symbols)
        found = []
        for state, row in enumerate(self.targets):
            for symbol, node in enumerate(row):
                if node.state is None:
                    found.append((state, symbol))
        return found

    def counterexample(self, number: int) -> Word | None:
        """A word on which automaton `number` is wrong, or None if none is found."""
        search = self.search
        key = ("automaton", search.seed, number)
        words = random_words(search.agree, search.symbols, search.longest, *key)
        for start in range(0, len(words), AT_ONCE):
            word = self.contradicted(words[start : start + AT_ONCE])
            if word is not None:
                return word
        return self.contradicted(list(self.answers.known))

    def contradicted(self, words: list[Word]) -> Word | None:
        """The shortest of these words on which the automaton is wrong."""
        wrong = self.dfa.accepts(words) != np.array(self.answers.ask(words))
        candidates = [words[i] for i in np.flatnonzero(wrong)]
        return min(candidates, key=len, default=None)

    def refine(self, word: Word) -> None:
        """Split the state that a counterexample shows to be two.

        The first symbols of the word are replaced by the access word of the state that they lead
        to. With none replaced, the classifier contradicts the automaton; with all replaced, it
        does not. Between `kept` and `lost`, one symbol apart at the end, the answer changes.
        """
        path = self.dfa.path(word)
        access = [self.tree.leaves[state].word for state in path]
        answer = self.answers.ask([word])[0]
        kept, lost = 0, len(word)
        while lost - kept > 1:
            middle = (kept + lost) // 2
            if self.answers.ask([access[middle] + word[middle:]])[0] == answer:
                kept = middle
            else:
                lost = middle
        leaf = self.tree.leaves[path[lost]]
        new = access[kept] + word[kept:lost]
        self.tree.split(leaf, suffix=word[lost:], word=new, answer=answer)
