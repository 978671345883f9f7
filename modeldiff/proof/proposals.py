"""Where two algorithms may differ: what retraining is asked to prove."""

from dataclasses import dataclass

import numpy as np

from modeldiff.comparison.residual import principal_axes
from modeldiff.comparison.result import oriented
from modeldiff.core.errors import UserError


@dataclass(frozen=True)
class Proposal:
    """Training examples and targets that two algorithms A and B may link differently.

    source: what proposes it. examples: float64 [n_train], unit norm. targets: float64 [n_targets],
    unit norm. Foretold is that training on examples of large weight, instead of examples of small
    weight, moves the margins of A towards `targets` further than those of B.
    share: of the sum of squares of what the source says of A less what it says of B.
    """

    source: str
    examples: np.ndarray
    targets: np.ndarray
    share: float


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
