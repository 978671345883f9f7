"""The classification tree of Kearns & Vazirani (1994): which words lead to the same state.

Each inner node has a suffix, and two words go to different children if the classifier accepts one
of them followed by the suffix and not the other. A leaf is a state, and has the word by which it
was found: its access word.
"""

from collections.abc import Sequence

from modeldiff.automata.dfa import Word
from modeldiff.automata.words import Answers


class Node:
    """An inner node, whose `word` is its suffix, or a leaf, whose `word` is its access word.

    state: of a leaf, its number; None for inner nodes. children: of an inner node, by the answer.
    """

    def __init__(self, word: Word, state: int | None = None):
        self.word = word
        self.state = state
        self.children: dict[bool, Node] = {}


class ClassificationTree:
    """A tree that grows as words are sifted. It begins with one inner node and the empty suffix:
    words that are accepted, and words that are not.

    leaves: by the number of their state; the first has the empty access word.
    """

    def __init__(self) -> None:
        self.root = Node(())
        self.leaves: list[Node] = []

    def sift(self, words: Sequence[Word], nodes: Sequence[Node], answers: Answers) -> list[Node]:
        """The leaves that words come to from these nodes; a word that comes to where there is no
        node yet becomes a leaf. All go down one level at a time, so that they are asked together.
        """
        reached = list(nodes)
        under_way = [i for i, node in enumerate(reached) if node.state is None]
        while under_way:
            accepted = answers.ask(words[i] + reached[i].word for i in under_way)
            for i, answer in zip(under_way, accepted, strict=True):
                children = reached[i].children
                if answer not in children:
                    children[answer] = self._new_leaf(words[i])
                reached[i] = children[answer]
            under_way = [i for i in under_way if reached[i].state is None]
        return reached

    def split(self, leaf: Node, suffix: Word, word: Word, answer: bool) -> None:
        """Make two states of one: `word` comes to this leaf, too, but the classifier's answer to
        it, followed by the suffix, is `answer`, and the opposite to the leaf's own word.

        The leaf becomes the inner node, so that what has come to it can be sifted on from there.
        """
        assert leaf.state is not None
        kept = Node(leaf.word, leaf.state)
        self.leaves[leaf.state] = kept
        leaf.word = suffix
        leaf.state = None
        leaf.children = {answer: self._new_leaf(word), not answer: kept}

    def suffixes_alone(self) -> "ClassificationTree":
        """A copy of the inner nodes, without leaves."""
        copied = ClassificationTree()
        pairs = [(self.root, copied.root)]
        for node, copy in pairs:  # which grows
            for answer, child in node.children.items():
                if child.state is None:
                    copy.children[answer] = Node(child.word)
                    pairs.append((child, copy.children[answer]))
        return copied

    def prune(self) -> None:
        """Take out inner nodes below the first that tell nothing apart."""
        inner = [self.root]
        for node in inner:  # which grows
            inner.extend(child for child in node.children.values() if child.state is None)
        for node in reversed(inner):  # those below first
            for answer, child in list(node.children.items()):
                if child.state is not None or len(child.children) == 2:
                    continue
                del node.children[answer]
                for only in child.children.values():
                    node.children[answer] = only

    def _new_leaf(self, word: Word) -> Node:
        leaf = Node(word, len(self.leaves))
        self.leaves.append(leaf)
        return leaf
