"""Where two algorithms may differ: what retraining is asked to prove."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modeldiff.core.axes import oriented, principal_axes
from modeldiff.core.errors import UserError
from modeldiff.dataset import groups
from modeldiff.study.proof_section import DIRECTION

GROUP = "group "  # how the source of a group that the user names begins


@dataclass(frozen=True)
class Proposal:
    """Training examples and targets that two algorithms A and B may link differently.

    source: what proposes it. examples: float64 [n_train], unit norm. targets: float64 [n_targets],
    unit norm. Foretold is that training on examples of large weight, instead of examples of small
    weight, moves the margins of A towards `targets` further than those of B.
    share: of the sum of squares of what the source says of A less what it says of B; NaN of a
    group that the user names.
    """

    source: str
    examples: np.ndarray
    targets: np.ndarray
    share: float

    @property
    def group(self) -> str:
        """The user's name of the group; empty of any other proposal."""
        return self.source.removeprefix(GROUP) if self.source.startswith(GROUP) else ""

    @property
    def of_comparison(self) -> bool:
        """Whether it is a direction of the comparison."""
        return self.source == DIRECTION


def of_difference(
    scores_a: np.ndarray, scores_b: np.ndarray, source: str, proposals: int
) -> list[Proposal]:
    """The leading singular vectors of the difference of two algorithms' scores.

    scores_a, scores_b: float [n_targets x n_train], how far each training example raises the margin
    of each target; of one kind, in the same units.
    Raises UserError for shapes that differ, too many proposals, or scores that do not differ.
    """
    if scores_a.shape != scores_b.shape:
        raise UserError(f"scores {scores_a.shape} and {scores_b.shape}: must have one shape")
    most = min(scores_a.shape)
    if not 1 <= proposals <= most:
        raise UserError(f"proposals: {proposals} of scores {scores_a.shape}; must be 1 to {most}")
    difference = np.float64(scores_a) - scores_b
    total = float((difference**2).sum())
    if not total > 0 or not np.isfinite(total):
        raise UserError(f"{source}: the scores of the two do not differ, or are not finite")
    axes = principal_axes(difference, proposals)
    examples, projections = oriented(axes, difference @ axes.T)
    found = []
    for weights, projection in zip(examples, projections.T, strict=True):
        strength = float(np.linalg.norm(projection))
        proposal = Proposal(
            source=source,
            examples=weights,
            targets=projection / strength,
            share=strength**2 / total,
        )
        found.append(proposal)
    return found


def of_directions(
    directions: np.ndarray,
    projections: np.ndarray,
    explained: np.ndarray,
    number: int,
    *,
    of_b: bool,
) -> list[Proposal]:
    """The first `number` directions of one way of a comparison.

    directions: float [directions x n_train]; projections: float [n_targets x directions];
    explained: float [directions], their share of all that differs. of_b: whether it is the way from
    B to A, whose directions B follows further.
    """
    found = []
    for i in range(number):
        weights = directions[i].astype(np.float64) / np.linalg.norm(directions[i])
        projection = projections[:, i].astype(np.float64)
        proposal = Proposal(
            source=DIRECTION,
            examples=-weights if of_b else weights,
            targets=projection / np.linalg.norm(projection),
            share=float(explained[i]),
        )
        found.append(proposal)
    return found


def of_group(
    name: str, path: str | Path, labels: np.ndarray, n_test: int, targets: np.ndarray
) -> Proposal:
    """A group of images that the user suspects.

    path: .csv of `split` (train or test) and `example` (its number, from 0), a row per image.
    labels: int [n_train]; n_test: test images; targets: int [n_targets], those whose margins are
    known.
    Raises UserError if the file is none of these, names no target, or more than half of a class.
    """
    listed = groups.listed(path, {"train": len(labels), "test": n_test})
    train, test = listed["train"], listed["test"]
    examples = np.zeros(len(labels))
    examples[train] = 1
    for label in np.unique(labels[train]):
        members = labels == label
        if 2 * examples[members].sum() > members.sum():
            what = f"holds more than half of the training images of class {label}"
            raise UserError(f"{path}: {what}; leaving it out needs as many others to compare with")
    weights = np.isin(targets, test).astype(float)
    if not weights.any():
        raise UserError(f"{path}: names no test image that directions are found on")
    return Proposal(
        source=GROUP + name,
        examples=examples / np.linalg.norm(examples),
        targets=weights / np.linalg.norm(weights),
        share=np.nan,
    )
