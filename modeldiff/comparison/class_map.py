"""Where two algorithms differ: images of which class, learned from training images of which class.

A cell is a class of test images and a class of training images, or groups of either that the user
names. What `agreement` sums over all
weights is summed here over the weights of a cell: products of the margins of two models times the
products of their masks, over all pairs of different models. Noise adds spread to such a sum but no
bias, so that a hundred models tell where the differences lie long before any direction stands out.

If the two algorithms do not differ in a cell, exchanging both margins of a model makes no
systematic difference to its sum (see `significance`). The differences are flipped whole: what other
training images contribute to them is noise to this cell. Each sum is divided by the standard
deviation that random signs give it, which flips leave as it is, and p-values come from the largest
of all cells after each flip (Westfall & Young 1993, max-T): no further correction is due.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from modeldiff.comparison.jackknife import GROUPS, ratios
from modeldiff.comparison.paired_ridge import Paired, Ridge, signs

CELL_LEVEL = 0.05  # of the family of all cells of a comparison
SHOWN = 20  # classes that have rows and columns of their own
OTHERS = -1  # stands for all other classes
BLOCK = 256  # models of a block; all pairs of two blocks are computed at a time
Groups = Mapping[str, tuple[np.ndarray, np.ndarray]]
KNOWN = float(ndtri(0.975))  # standard deviations above 0 from which a square is no noise


@dataclass(frozen=True)
class ClassMap:
    """What sets two algorithms apart, by class of test image and class of training image.

    classes: int64 [classes], those of rows and columns; the last is OTHERS if there are more than
        SHOWN, whose most frequent ones then stand for themselves.
    groups: str [groups], whose rows and columns follow those of the classes.
    share: float64 [rows x columns], the cell's part of the squared differences of all weights,
        noise taken out. Those of the classes add up to 1; errors can put some below 0. NaN where
        noise is all there is.
    low, high: float64, same shape, the share's 95% interval over models; NaN where it is unbounded.
    agreement: float64, same shape, cosine of A's and B's weights in the cell, noise taken out; NaN
        where either's are not surely above their noise. It has no interval.
    p_value: float64, same shape, chance of such a difference in any cell if there were none in
        this one; at least 1 / (permutations + 1).
    """

    classes: np.ndarray
    groups: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    agreement: np.ndarray
    p_value: np.ndarray

    @property
    def significant(self) -> np.ndarray:
        """Cells in which the two surely differ, all cells counted: bool, as `share`."""
        return self.p_value <= CELL_LEVEL


@dataclass
class Sums:
    """Sums over pairs of models, of one kind of margins: float64 [rows x columns].

    pairs: of the products; 0 on average where the masks say nothing of the margins.
    deviation: of `pairs`, if each model's margins had random signs.
    flips: [permutations x ...], `pairs` after flips.
    without: [GROUPS x ...], `pairs` of all models but one group; none without flips.
    """

    pairs: np.ndarray
    deviation: np.ndarray
    flips: np.ndarray
    without: np.ndarray

    @property
    def strength(self) -> np.ndarray:
        """`pairs` in standard deviations; 0 where nothing varies."""
        return _ratio(self.pairs, self.deviation)


def class_map(
    ridge: Ridge,
    models: Paired,
    of_targets: np.ndarray,
    of_examples: np.ndarray,
    groups: Groups,
    permutations: int,
    seed: int,
) -> ClassMap:
    """See `ClassMap`.

    of_targets, of_examples: int64 [n_targets] and [n_train], their classes. groups: by name, which
    targets and which training examples belong to each, bool [n_targets] and [n_train].
    `models.scale` is what B is multiplied by before it is subtracted; with it, a cell must differ
    without it as well.
    Time grows with the square of the number of models, memory does not (but for a sign per model
    and flip): two blocks of masks and margins, BLOCK^2 numbers per row and column.
    """
    classes = shown_classes(of_targets, of_examples)
    rows = _members(of_targets, classes) + [targets for targets, _ in groups.values()]
    columns = _members(of_examples, classes) + [examples for _, examples in groups.values()]
    a = cell_sums(ridge, models, (1.0, 0.0), rows, columns)
    b = cell_sums(ridge, models, (0.0, 1.0), rows, columns)
    flips = [signs(len(models.used), seed, flip) for flip in range(permutations)]
    difference = cell_sums(ridge, models, (1.0, -models.scale), rows, columns, flips)
    p_value = adjusted(difference)
    if models.scale != 1:
        plain = cell_sums(ridge, models, (1.0, -1.0), rows, columns, flips)
        p_value = np.maximum(p_value, adjusted(plain))
    # |A - cB|^2 = |A|^2 - 2c AB + c^2 |B|^2
    scale = models.scale
    products = (a.pairs + scale**2 * b.pairs - difference.pairs) / (2 * scale)
    known = (a.strength > KNOWN) & (b.strength > KNOWN)
    norms = np.sqrt(np.where(known, a.pairs * b.pairs, np.nan))
    total = difference.pairs[: len(classes), : len(classes)].sum()
    share = difference.pairs / total if total > 0 else np.full_like(products, np.nan)
    low, high = _intervals(difference, len(classes))
    names = np.array(list(groups), np.str_)
    return ClassMap(classes, names, share, low, high, products / norms, p_value)


def _intervals(difference: Sums, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The 95% intervals of shares, by leaving out groups of models: float64 [rows x columns]."""
    cells = difference.pairs.ravel()
    without = difference.without.reshape(GROUPS, -1)
    totals = difference.without[:, :n_classes, :n_classes].sum((1, 2))
    total = difference.pairs[:n_classes, :n_classes].sum()
    moved = np.stack([np.broadcast_to(totals[:, None], without.shape), without], 2)
    moved = moved - moved.mean(0)
    covariance = (GROUPS - 1) / GROUPS * np.einsum("gki,gkj->kij", moved, moved)
    values = np.stack([np.full_like(cells, total), cells])
    found = ratios(values, covariance, GROUPS - 1).reshape(*difference.pairs.shape, 3)
    return found[:, :, 1], found[:, :, 2]


def shown_classes(of_targets: np.ndarray, of_examples: np.ndarray) -> np.ndarray:
    """The classes of rows and columns, int64, rising: those with most targets if there are many."""
    classes, count = np.unique(np.concatenate([of_targets, of_examples]), return_counts=True)
    if len(classes) <= SHOWN:
        return classes
    targets = np.array([(of_targets == one).sum() for one in classes])
    most = np.lexsort([-count, -targets])[:SHOWN]
    return np.append(np.sort(classes[most]), OTHERS)


def _members(labels: np.ndarray, classes: np.ndarray) -> list[np.ndarray]:
    """Which labels are of each class: bool [labels], one array a class."""
    members = []
    for one in classes:
        members.append(~np.isin(labels, classes) if one == OTHERS else labels == one)
    return members


def cell_sums(
    ridge: Ridge,
    models: Paired,
    weighting: tuple[float, float],
    rows: Sequence[np.ndarray],
    columns: Sequence[np.ndarray],
    flips: Sequence[np.ndarray] = (),
) -> Sums:
    """Sums over pairs of models of `weighting[0]` times A's margins plus `weighting[1]` times B's.

    rows: which targets are of each row, bool [n_targets]; columns: which training examples are of
    each column, bool [n_train]. flips: signs of all models, float32 [models], one for each flip.
    """
    shape = len(rows), len(columns)
    weights = list(flips)
    if flips:
        group = (np.cumsum(ridge.chosen) - 1) % GROUPS
        weights += [(group != g).astype(np.float32) for g in range(GROUPS)]
    pairs = np.zeros(shape)
    itself = np.zeros(shape)
    squares = np.zeros(shape)
    weighted = np.zeros((len(weights), *shape))
    for one, x, y in _blocks(ridge, models, weighting):
        for other, x2, y2 in _blocks(ridge, models, weighting):
            if other.start < one.start:
                continue  # its pairs were counted the other way round
            times = 2.0
            masks = _products(x, x2, columns)
            margins = _products(y, y2, rows)
            if other == one:
                times = 1.0
                squared = margins.diagonal(axis1=1, axis2=2)
                itself += squared @ masks.diagonal(axis1=1, axis2=2).T
                for product in masks:
                    np.fill_diagonal(product, 0)
            flat_masks = masks.reshape(len(columns), -1).T
            flat_margins = margins.reshape(len(rows), -1)
            pairs += times * (flat_margins @ flat_masks)
            squares += times * (flat_margins**2 @ flat_masks**2)
            for place, weight in enumerate(weights):
                of_one = weight[one][ridge.chosen[one]]
                of_other = weight[other][ridge.chosen[other]]
                turned = flat_margins * np.outer(of_one, of_other).ravel()
                weighted[place] += times * (turned @ flat_masks)
    itself /= ridge.models - 1  # margins are shrunk by their own mean
    # Each pair stands twice in `squares`. Centred margins have a square of (n - 1) / n.
    return Sums(
        pairs=pairs - itself,
        deviation=ridge.unshrunk * np.sqrt(2 * squares),
        flips=ridge.unshrunk * weighted[: len(flips)],
        without=weighted[len(flips) :] - itself * (GROUPS - 1) / GROUPS,
    )


def _blocks(
    ridge: Ridge, models: Paired, weighting: tuple[float, float]
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Blocks of models: their range, centred masks and centred margins."""
    for start in range(0, len(ridge.chosen), BLOCK):
        block = slice(start, start + BLOCK)
        chosen = ridge.chosen[block]
        if chosen.any():
            a, b = models.centred(block, ridge.chosen)
            margins = np.float32(weighting[0]) * a + np.float32(weighting[1]) * b
            yield block, ridge.masks[block][chosen] - ridge.share, margins


def _products(one: np.ndarray, other: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Dot products of rows of `one` with rows of `other` over the columns of each class or group.

    float32 [classes and groups x rows of `one` x rows of `other`].
    """
    products = np.zeros((len(members), len(one), len(other)), np.float32)
    for product, chosen in zip(products, members, strict=True):
        product[:] = one[:, chosen] @ other[:, chosen].T
    return products


def adjusted(difference: Sums) -> np.ndarray:
    """p-values of the cells, corrected for all of them: float64, as `difference.pairs`."""
    largest = _ratio(difference.flips, difference.deviation).max(axis=(1, 2))
    exceeding = (largest[:, None, None] >= difference.strength).sum(0)
    return (1 + exceeding) / (len(largest) + 1)


def _ratio(sums: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.divide(sums, deviation, out=np.zeros_like(sums), where=deviation > 0)
