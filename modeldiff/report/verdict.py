"""What the first screen says, in numbers. The planted truth, if there is one, has no part in it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from modeldiff.report.pairs import Pair, Way
from modeldiff.report.proofs import Proved
from modeldiff.report.results import Results


@dataclass(frozen=True)
class Tested:
    """A feature at full strength on both algorithms of a pair, mean softmax, over models and
    images. `mover` and `other`: rows of `Pair.effects`, the larger effect first.
    """

    transformation: str
    target: str
    mover: dict[str, Any]
    other: dict[str, Any]

    @property
    def apart(self) -> bool:
        """Whether the two intervals have nothing in common."""
        low, high = sorted((self.mover, self.other), key=lambda row: row["low"])
        return bool(low["high"] < high["low"])

    @property
    def shown(self) -> bool:
        """Whether the feature surely moves one algorithm, and the other surely less."""
        return self.apart and (self.mover["low"] > 0 or self.mover["high"] < 0)

    @property
    def other_moves(self) -> bool:
        """Whether it surely moves the other algorithm, too."""
        return bool(self.other["low"] > 0 or self.other["high"] < 0)

    @property
    def gap(self) -> float:
        """Difference of the two effects."""
        return float(abs(self.mover["effect"] - self.other["effect"]))

    @property
    def words(self) -> str:
        """Whether the feature is (delta, epsilon)-distinguishing, as far as the intervals tell: the
        mover moves by delta or more, and the other, the same way, by epsilon or less.
        """
        a = self.mover["algorithm"]
        b = self.other["algorithm"]
        if not self.apart:
            return "the intervals overlap, so this feature is not shown to tell the two apart"
        if self.mover["effect"] > 0:
            delta = self.mover["low"]
            least = self.other["low"]
            epsilon = self.other["high"]
        else:
            delta = -self.mover["high"]
            least = -self.other["high"]
            epsilon = -self.other["low"]
        if delta <= 0:
            return f"the intervals lie apart, but {a} is not shown to move"
        bounds = f"{a} moves by {delta * 100:.1f} points or more, {b} "
        if epsilon < 0:
            return f"{bounds}the other way: the two differ in this"
        if least <= 0 and epsilon * 100 < 0.05:
            return f"{bounds}not at all: this feature moves {a} alone"
        bounds += f"by {epsilon * 100:.1f} at most"
        if least <= 0:
            return f"{bounds}, or not at all: this feature is seen to move {a} alone"
        ratio = self.mover["effect"] / self.other["effect"]
        return f"{bounds}: ratio {ratio:.1f}, at least {delta / epsilon:.1f}; it moves both"


@dataclass(frozen=True)
class Verdict:
    """The pair that the page opens with, the way to look at, and what is shown of it.

    tested: the feature on which the two differ most, if any was tested on both.
    proved: the group of training images on which retraining proves that they differ most, if any.
    """

    pair: int
    way: int
    tested: Tested | None
    proved: Proved | None
    stands_out: bool

    @property
    def shown(self) -> str:
        """What is shown: a "feature", a "group" of training images, a "direction" not yet explained
        by a feature, or "nothing".
        """
        if self.tested and self.tested.shown:
            return "feature"
        if self.proved:
            return "group"
        return "direction" if self.stands_out else "nothing"


def verdict(results: Results) -> Verdict:
    """Choose what stands first, of the pair that `_opening` chooses.

    It is seen from the algorithm that the feature moves more, unless only the other way shows more
    than chance.
    """
    p = _opening(results)
    pair = results.pairs[p]
    feature = strongest(results, pair)
    way = int(feature is not None and feature.mover["algorithm"] != pair.a)
    seen = bool(pair.ways[way].significant[0])
    other = bool(pair.ways[1 - way].significant[0])
    return Verdict(
        pair=p,
        way=1 - way if other and not seen else way,
        tested=feature,
        proved=proved(pair),
        stands_out=seen or other,
    )


def _opening(results: Results) -> int:
    """The pair to open with: on which a feature is shown to act most differently; else the first of
    which retraining proves a difference; else the first.
    """
    largest = 0.0
    chosen = None
    for p, pair in enumerate(results.pairs):
        feature = strongest(results, pair)
        if feature and feature.shown and feature.gap > largest:
            largest = feature.gap
            chosen = p
    if chosen is not None:
        return chosen
    for p, pair in enumerate(results.pairs):
        if proved(pair):
            return p
    return 0


def strongest(results: Results, pair: Pair) -> Tested | None:
    """The feature on which the effects on a pair differ most, one that is shown before others."""
    features = tested(results, pair)
    return max(features, key=lambda one: (one.shown, one.gap), default=None)


def proved(pair: Pair) -> Proved | None:
    """The strongest difference of a pair that retraining proves; those that differ come first."""
    return pair.proofs[0] if pair.proofs and pair.proofs[0].differs else None


def tested(results: Results, pair: Pair) -> list[Tested]:
    """Every feature that was tested on both algorithms of a pair, at full strength."""
    table = pair.effects
    chosen = table[(table["measure"] == "softmax") & (table["over"] == "both")]
    features: list[Tested] = []
    if not {pair.a, pair.b} <= {*results.study.with_models}:
        return features
    for name in results.study.transformations:
        rows = chosen[chosen["transformation"] == name]
        rows = rows[rows["algorithm"].isin([pair.a, pair.b])]
        full = rows[rows["strength"] == rows["strength"].max()].to_dict("records")
        mover, other = sorted(full, key=lambda row: -abs(row["effect"]))
        features.append(Tested(name, mover["class"], mover, other))
    return features


def classes(results: Results, way: Way, i: int, shown: int) -> str:
    """The classes of a direction's strongest test examples, most frequent first."""
    labels = results.data.test.labels[way.test_high[i][:shown]].tolist()
    counted = Counter(labels).most_common()  # of equal counts the first met comes first
    return ", ".join(f"{n} of class {results.data.classes[label]}" for label, n in counted)


def mostly(results: Results, train_examples: np.ndarray) -> str:
    """The class that most of some training images have, in words."""
    labels = results.data.train.labels[train_examples].tolist()
    label, count = Counter(labels).most_common(1)[0]
    name = results.data.classes[label]
    if count == len(labels):
        return f"of class {name}"
    return f"most of class {name}" if count > len(labels) / 2 else "of several classes"
