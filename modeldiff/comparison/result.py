"""What a comparison returns, whatever its method."""

from dataclasses import dataclass, replace

import numpy as np

from modeldiff.comparison.agreement import Agreement
from modeldiff.comparison.class_map import ClassMap
from modeldiff.core import arguments
from modeldiff.core.axes import oriented

DIRECTION_LEVEL = 0.05  # of the family of all directions of a comparison


@dataclass(frozen=True)
class Chance:
    """What chance gives in place of direction 1.

    strongest: the singular value of direction 1, as it was tested. exchanged: float64
    [permutations], the largest singular value after each random exchange of the algorithms' models.
    """

    strongest: float
    exchanged: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Distinguishing directions of A minus B, strongest first.

    directions: float64 [directions x n_train], unit norm; the sign makes the third moment of
        the projections >= 0, so that a small, extreme group of examples is at the positive end.
    projections: float64 [n_targets x directions], of the centred residuals (`compare`) or of
        the difference of the datamodels (`contrast`).
    explained: float64 [directions], share of the sum of squares of what was decomposed.
    variance_a, variance_b: float64 [directions], variance of each algorithm's datamodels, scaled
        to unit rows, along the direction (1 would be all of an uncentred row's squared norm). Of a
        contrast: along the direction as one half of the models finds it, of the other half's
        datamodels, less what noise adds; the mean of both ways round.
    interval_a, interval_b: float64 [directions x 2], 95% intervals of these over models.
    reach_a, reach_b: float64 [directions x 3], root mean square over targets of each algorithm's
        weights, scaled as they were compared, along the direction: value and 95% interval over
        models. It is that by which a direction is A's or B's (`asymmetry`); of a contrast in the
        margins' units (less the penalty's pull), measured as the variances are, without noise.
    b_follows: float64 [directions x 3], how far B's datamodels extend along the direction as a
        multiple of how far A's do, over the targets that it moves: value and 95% interval over
        models, of margins as they are. 0: only A follows it. Clearly above 0: both do, so that they
        may differ only in the size of margins. NaN where A does not clearly extend along it.
    a_follows: the same with A and B exchanged.
    asymmetry: float64 [directions], whose direction it is: 1 if only A's weights (scaled as they
        were compared) extend along the direction, -1 if only B's, by the sums of squares over
        targets.
    singular_values: float64 [directions], in the units of the weights.
    p_value: float64 [directions], the chance of a singular value as large if the algorithms did
        not differ beyond the directions before, adjusted for those: no further correction is due.
    critical_value: float64 [directions], the singular value that such noise exceeds with chance
        DIRECTION_LEVEL.
    stability: float64 [directions], |cosine| of the direction found in two halves of the models.
    overlap: float64 [directions], share of its strongest training examples that the halves share.
    Intervals, b_follows, a_follows and the four before are NaN where they cannot be known (weights
    alone do not tell their noise, which reaches then include); then there is no `agreement`: how
    alike the two are over all directions, and no `chance`: what direction 1 was tested against.
    class_map: where they differ; None if it was not asked for, or cannot be known.
    """

    directions: np.ndarray
    projections: np.ndarray
    explained: np.ndarray
    variance_a: np.ndarray
    variance_b: np.ndarray
    interval_a: np.ndarray
    interval_b: np.ndarray
    reach_a: np.ndarray
    reach_b: np.ndarray
    b_follows: np.ndarray
    a_follows: np.ndarray
    asymmetry: np.ndarray
    singular_values: np.ndarray
    p_value: np.ndarray
    critical_value: np.ndarray
    stability: np.ndarray
    overlap: np.ndarray
    agreement: Agreement | None
    chance: Chance | None
    class_map: ClassMap | None

    @property
    def significant(self) -> np.ndarray:
        """Which directions stand out, bool [directions]; False where that cannot be known."""
        return self.p_value <= DIRECTION_LEVEL

    def only(self, chosen: np.ndarray) -> "Comparison":
        """The directions of these indices."""
        arrays = {name: array[chosen] for name, array in self.arrays().items()}
        arrays["projections"] = self.projections[:, chosen]
        return replace(self, **arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """What is known of each direction."""
        fields = dict(vars(self))
        del fields["agreement"], fields["chance"], fields["class_map"]
        return fields

    def reversed(self) -> "Comparison":
        """The same directions for B minus A: projections change sign, and so does the orientation.

        `variance_a` is then B's.
        """
        directions, projections = oriented(self.directions, -self.projections)
        return replace(
            self,
            directions=directions,
            projections=projections,
            variance_a=self.variance_b,
            variance_b=self.variance_a,
            interval_a=self.interval_b,
            interval_b=self.interval_a,
            reach_a=self.reach_b,
            reach_b=self.reach_a,
            b_follows=self.a_follows,
            a_follows=self.b_follows,
            asymmetry=-self.asymmetry,
        )


def ends(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the `k` highest and the `k` lowest scores, the most extreme first.

    scores: float [n]; all of them, both ways, if `k` is more.
    """
    arguments.whole("k", k, 1)
    order = np.argsort(arguments.vector("scores", scores), kind="stable")
    return order[::-1][:k], order[:k]
