"""Joint surrogate trees: in which named terms do two models differ?

Haldar, Saha, Wei, Nair & Daly, Interpretable Differencing of Machine Learning Models (UAI 2023,
arXiv 2306.06473). A decision tree stands in for each of two models. Both are grown together: they
share a split while the best shared one is nearly as good as the best of each for itself, then they
diverge. Where leaves of the two overlap and say different classes, a rule says that the models
differ. Each rule is then refined: a joint tree is grown once more on what it covers alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12  # equal entropies may differ in their last bits

Box = dict[int, tuple[float, float]]  # of attributes: above the first, at most the second


@dataclass(frozen=True)
class Growth:
    """How trees grow. depth: splits from the root to a leaf, at most. fewest: examples in a leaf.

    shared: a split is shared while its entropy, times this, is at most that of the best split of
    each model for itself: from 0, always, to 1, only where they are the same. Infinite: two
    separate trees.
    """

    depth: int = 4
    fewest: int = 5
    shared: float = 0.5


GROWTH = Growth()


@dataclass(frozen=True)
class Leaf:
    """What a tree says of all that reaches it."""

    label: int


@dataclass(frozen=True)
class Split:
    """`low` for values of the attribute of at most the threshold, else `high`."""

    attribute: int
    threshold: float
    low: "Node"
    high: "Node"


@dataclass(frozen=True)
class Diverge:
    """From here on each of the two models has a tree of its own, without such nodes."""

    first: "Node"
    second: "Node"


Node = Leaf | Split | Diverge


@dataclass(frozen=True)
class Rule:
    """Within the box one model says `first` and the other `second`."""

    box: Box
    first: int
    second: int

    def covers(self, x: np.ndarray) -> np.ndarray:
        """Which of the rows of x, float [examples x attributes], lie in the box: bool."""
        inside = np.ones(len(x), bool)
        for attribute, (low, high) in self.box.items():
            inside &= (x[:, attribute] > low) & (x[:, attribute] <= high)
        return inside


def fit(x: np.ndarray, first: np.ndarray, second: np.ndarray, how: Growth = GROWTH) -> Node:
    """The joint tree of two models that say `first` and `second`, int [examples].

    x: float [examples x attributes].
    """
    labels = np.stack([first, second])
    if np.isinf(how.shared):
        return _apart(x, labels, 0, how)
    return _joint(x, labels, 0, how)


def rules(x: np.ndarray, first: np.ndarray, second: np.ndarray, how: Growth = GROWTH) -> list[Rule]:
    """Where two models differ, refined: see `fit`. Rules that cover none of x are left out."""
    finer = []
    for rule in covering(differences(fit(x, first, second, how), {}), x):
        inside = rule.covers(x)
        tree = fit(x[inside], first[inside], second[inside], how)
        finer += covering(differences(tree, rule.box), x)
    return finer


def covering(found: Iterator[Rule], x: np.ndarray) -> list[Rule]:
    """Those that cover any row of x."""
    return [rule for rule in found if rule.covers(x).any()]


def differences(node: Node, box: Box) -> Iterator[Rule]:
    """The rules of a joint tree; box: what reaches it."""
    if isinstance(node, Split):
        yield from differences(node.low, _below(box, node))
        yield from differences(node.high, _above(box, node))
    elif isinstance(node, Diverge):
        for inner, first in _leaves(node.first, box):
            for innermost, second in _leaves(node.second, inner):
                if first != second:
                    yield Rule(innermost, first, second)


def says(node: Node, x: np.ndarray) -> np.ndarray:
    """What both trees say of the rows of x: int64 [2 x examples]."""
    said = np.zeros((2, len(x)), np.int64)
    if isinstance(node, Leaf):
        said[:] = node.label
    elif isinstance(node, Diverge):
        said[0] = says(node.first, x)[0]
        said[1] = says(node.second, x)[1]
    else:
        low = x[:, node.attribute] <= node.threshold
        said[:, low] = says(node.low, x[low])
        said[:, ~low] = says(node.high, x[~low])
    return said


def _joint(x: np.ndarray, labels: np.ndarray, depth: int, how: Growth) -> Node:
    """A joint tree; labels: int [2 x examples]."""
    if (labels[0] == labels[1]).all():
        return _grown(x, labels[:1], depth, how)
    decided = (labels == labels[:, :1]).all(1)
    if decided.any() or depth == how.depth:
        return _apart(x, labels, depth, how)
    entropies = _entropies(x, labels, how.fewest)
    alone = entropies.reshape(2, -1).min(1, initial=np.inf).mean()
    together = entropies.mean(0)
    if np.isinf(alone) or how.shared * together.min() > alone + ROUNDING:
        return _apart(x, labels, depth, how)
    attribute, threshold = _place(x, together)
    low = x[:, attribute] <= threshold
    return Split(
        attribute=attribute,
        threshold=threshold,
        low=_joint(x[low], labels[:, low], depth + 1, how),
        high=_joint(x[~low], labels[:, ~low], depth + 1, how),
    )


def _apart(x: np.ndarray, labels: np.ndarray, depth: int, how: Growth) -> Diverge:
    """A tree for each of the two models."""
    first = _grown(x, labels[:1], depth, how)
    return Diverge(first, _grown(x, labels[1:], depth, how))


def _grown(x: np.ndarray, labels: np.ndarray, depth: int, how: Growth) -> Node:
    """The tree of one model; labels: int [1 x examples]."""
    counts = np.bincount(labels[0])
    if depth < how.depth and counts.max() < len(x):
        entropies = _entropies(x, labels, how.fewest)[0]
        if np.isfinite(entropies).any():
            attribute, threshold = _place(x, entropies)
            low = x[:, attribute] <= threshold
            return Split(
                attribute=attribute,
                threshold=threshold,
                low=_grown(x[low], labels[:, low], depth + 1, how),
                high=_grown(x[~low], labels[:, ~low], depth + 1, how),
            )
    return Leaf(int(counts.argmax()))


def _entropies(x: np.ndarray, labels: np.ndarray, fewest: int) -> np.ndarray:
    """Entropy after each split, in bits, by model: float64 [models x places x attributes].

    A place is after so many examples in the order of the attribute, from 1; infinite where values
    before and after are the same, or a side has fewer than `fewest`.
    """
    n = len(x)
    order = np.argsort(x, axis=0, kind="stable")
    ordered = np.take_along_axis(x, order, 0)
    counts = np.arange(n + 1)
    information = counts * np.log2(counts, out=np.zeros(n + 1), where=counts > 0)
    before = information[1:n, None]
    after = information[n - 1 : 0 : -1, None]
    entropies = np.empty((len(labels), n - 1, x.shape[1]))
    for model, own in enumerate(labels):
        _, codes = np.unique(own, return_inverse=True)
        low = np.eye(codes.max() + 1, dtype=np.int32)[codes][order].cumsum(0)
        high = low[-1] - low[:-1]
        of_classes = information[low[:-1]].sum(2) + information[high].sum(2)
        entropies[model] = (before + after - of_classes) / n
    impossible = ordered[1:] <= ordered[:-1]
    impossible[: fewest - 1] = True
    impossible[n - fewest :] = True
    entropies[:, impossible] = np.inf
    return entropies


def _place(x: np.ndarray, entropies: np.ndarray) -> tuple[int, float]:
    """Attribute and threshold of the least entropy [places x attributes]; of several, the first."""
    least = entropies.min(0)
    attribute = int(np.argmax(least <= least.min() + ROUNDING))
    of_attribute = entropies[:, attribute]
    place = int(np.argmax(of_attribute <= of_attribute.min() + ROUNDING))
    values = np.sort(x[:, attribute])
    return attribute, float((values[place] + values[place + 1]) / 2)


def _below(box: Box, split: Split) -> Box:
    low, high = box.get(split.attribute, (-np.inf, np.inf))
    return box | {split.attribute: (low, min(high, split.threshold))}


def _above(box: Box, split: Split) -> Box:
    low, high = box.get(split.attribute, (-np.inf, np.inf))
    return box | {split.attribute: (max(low, split.threshold), high)}


def _leaves(node: Node, box: Box) -> Iterator[tuple[Box, int]]:
    """The boxes and labels of a single tree's leaves within a box; none that is empty."""
    if isinstance(node, Leaf):
        yield box, node.label
    elif isinstance(node, Split):
        low, high = box.get(node.attribute, (-np.inf, np.inf))
        if node.threshold > low:
            yield from _leaves(node.low, _below(box, node))
        if node.threshold < high:
            yield from _leaves(node.high, _above(box, node))
