"""Distances between models, and rules between recipes, by joint surrogate trees.

Trees stand in for a model's answers: that it is right, or which wrong class it says. The class of
an image is an attribute, so that this tells as much as the class that it says, and a tree need not
first learn to tell the classes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modeldiff.baselines import joint_tree
from modeldiff.baselines.attributes import attributes
from modeldiff.baselines.joint_tree import Box, Growth
from modeldiff.baselines.pool import Pool
from modeldiff.core import rng

# Of trees that rules are made of: the fewest rules that find differences no worse than those of two
# separate trees (docs/baselines.md).
RULES = Growth(depth=6)


@dataclass(frozen=True)
class Difference:
    """A rule in words, and what is true of images that it was not made of.

    first, second: what most models of A and of B say there, a class or `right`. images: how many
    it covers; differ: on how many of them the two majorities predict different classes.
    """

    words: str
    first: str
    second: str
    images: int
    differ: int


@dataclass(frozen=True)
class Rules:
    """All rules of two recipes, those that tell most first.

    covered: images that any rule covers, of those that rules were not made of, and on how many of
    them the majorities differ; judged: the same of all those images.
    """

    rules: tuple[Difference, ...]
    covered: tuple[int, int]
    judged: tuple[int, int]

    @property
    def precision(self) -> float:
        """Of the images that rules cover, the share on which the two differ; NaN if none is."""
        images, differ = self.covered
        return differ / images if images else np.nan

    @property
    def recall(self) -> float:
        """Of the images on which the two differ, the share that rules cover; NaN if none does."""
        differ = self.judged[1]
        return self.covered[1] / differ if differ else np.nan


def disagreement(pool: Pool) -> np.ndarray:
    """1 where the joint surrogate trees of two models say different classes, else 0: float32
    [models x models x images].
    """
    _, x = attributes(pool)
    said = answers(pool.predicted, pool)
    n = pool.models
    apart = np.zeros((n, n, len(x)), np.float32)
    for i in range(n):
        for j in range(i):
            tree = joint_tree.fit(x, said[i], said[j])
            first, second = joint_tree.says(tree, x)
            apart[i, j] = apart[j, i] = first != second
    return apart


def rules(pool: Pool) -> Rules:
    """Where most models of A predict another class than most models of B.

    Rules are made of a random half of the images and judged on the other half.
    """
    names, x = attributes(pool)
    first, second = majorities(pool)
    named = [*pool.classes, "right"]
    yes_or_no = [bool(np.isin(column, (0, 1)).all()) for column in x.T]
    made_of, judged = halves(pool)
    found = joint_tree.rules(x[made_of], first[made_of], second[made_of], RULES)
    differ = first[judged] != second[judged]
    covered = np.zeros(len(judged), bool)
    differences = []
    for rule in found:
        inside = rule.covers(x[judged])
        covered |= inside
        difference = Difference(
            words=in_words(rule.box, names, yes_or_no),
            first=named[rule.first],
            second=named[rule.second],
            images=int(inside.sum()),
            differ=int((inside & differ).sum()),
        )
        differences.append(difference)
    return Rules(
        rules=tuple(sorted(differences, key=lambda one: -one.differ)),
        covered=(int(covered.sum()), int((covered & differ).sum())),
        judged=(len(judged), int(differ.sum())),
    )


def majorities(pool: Pool) -> np.ndarray:
    """What most models of A and most of B answer, see `answers`: int64 [2 x images]."""
    n_a = pool.sizes[0]
    of_a = _majority(pool.predicted[:n_a], len(pool.classes))
    of_b = _majority(pool.predicted[n_a:], len(pool.classes))
    return answers(np.stack([of_a, of_b]), pool)


def halves(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Places of the images that rules are made of, and of those that they are judged on, int64."""
    order = rng.permutation(len(pool.images.labels), "rules", *pool.key)
    return order[: len(order) // 2], order[len(order) // 2 :]


def answers(predicted: np.ndarray, pool: Pool) -> np.ndarray:
    """The wrong class that is predicted, or the number of classes where it is the right one: int64
    [models x images].
    """
    return np.where(predicted == pool.images.labels, len(pool.classes), predicted)


def in_words(box: Box, names: Sequence[str], yes_or_no: Sequence[bool]) -> str:
    """A box as a condition: `class 3 and brightness above 0.2`.

    yes_or_no: of each attribute, whether it is 1 or 0.
    """
    conditions = []
    for attribute, (low, high) in box.items():
        name = names[attribute]
        if yes_or_no[attribute]:
            conditions.append(name if low >= 0 else f"not {name}")
        elif np.isinf(low):
            conditions.append(f"{name} at most {high:.3g}")
        elif np.isinf(high):
            conditions.append(f"{name} above {low:.3g}")
        else:
            conditions.append(f"{name} above {low:.3g}, at most {high:.3g}")
    return " and ".join(conditions) or "always"


def _majority(predicted: np.ndarray, classes: int) -> np.ndarray:
    """The class that most models predict, int64 [images]; of several, the first."""
    votes = np.zeros((classes, predicted.shape[1]), np.int64)
    for label in range(classes):
        votes[label] = (predicted == label).sum(0)
    return votes.argmax(0)
