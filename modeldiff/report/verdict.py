"""What the first screen says, in numbers. The planted truth, if there is one, has no part in it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from modeldiff.report.results import Pair, Results, Way


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
            return f"{bounds}not at all: only {a} follows this feature"
        bounds += f"by {epsilon * 100:.1f} at most"
        if least <= 0:
            return f"{bounds}, or not at all: only {a} is seen to follow this feature"
        ratio = self.mover["effect"] / self.other["effect"]
        return f"{bounds}: ratio {ratio:.1f}, at least {delta / epsilon:.1f}; not exclusive to {a}"


@dataclass(frozen=True)
class Verdict:
    """The pair that the page opens with, the way to look at, and the feature that was tested.

    With a feature: the pair on which the two effects differ most, seen from the algorithm that
    the feature moves more, unless only the other way shows more than chance. Without: the first
    pair, a minus b.
    """

    pair: int
    way: int
    tested: Tested | None


def verdict(results: Results) -> Verdict:
    """Choose what stands first."""
    p = 0
    strongest: Tested | None = None
    for number, pair in enumerate(results.pairs):
        for feature in tested(results, pair):
            if strongest is None or feature.gap > strongest.gap:
                p = number
                strongest = feature
    if strongest is None:
        return Verdict(0, 0, None)
    way = int(strongest.mover["algorithm"] != results.pairs[p].a)
    ways = results.pairs[p].ways
    seen = ways[way].significant[0]
    other = ways[1 - way].significant[0]
    return Verdict(p, 1 - way if other and not seen else way, strongest)


def tested(results: Results, pair: Pair) -> list[Tested]:
    """Every feature that was tested on both algorithms of a pair, at full strength."""
    table = pair.effects
    chosen = table[(table["measure"] == "softmax") & (table["over"] == "both")]
    features: list[Tested] = []
    if not {pair.a, pair.b} <= {*results.study.trained}:
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
