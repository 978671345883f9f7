"""How far two algorithms' datamodels extend along directions, with a jackknife's errors."""

from dataclasses import dataclass

import numpy as np

from modeldiff.comparison.paired_ridge import Paired, Ridge
from modeldiff.core import student

GROUPS = 20  # of models, each left out in turn


@dataclass(frozen=True)
class Along:
    """Datamodels of A and of B, fitted on one half of the models, along directions of the other.

    values: float64 [2 x n_targets x k]. moved: float64 [2 x GROUPS x n_targets x k], what each
    group of models contributes: without it the values are `values - moved`, to first order.
    norms: float64 [2 x n_targets], of each datamodel; 1 for those that are 0.
    """

    values: np.ndarray
    moved: np.ndarray
    norms: np.ndarray

    @classmethod
    def of(
        cls,
        models: Paired,
        ridge: Ridge,
        weights: tuple[np.ndarray, np.ndarray],
        directions: np.ndarray,
    ) -> "Along":
        """weights: of A and of B, [n_targets x n_train], as `ridge` fits them; directions:
        [k x n_train], which must not have been found on the models of `ridge`.

        A group of models is left out to first order (Efron & Tibshirani 1993, chapter 11), with the
        residuals of fits without the model (HC3 in MacKinnon & White 1985; all models are taken to
        have the same leverage). So noise is what other subsets and other models would change.
        Memory: GROUPS x n_targets x k, twice.
        """
        loads = ridge.inverse @ directions.T.astype(np.float32)
        loads /= ridge.models * (1 - ridge.leverage)
        group = (np.cumsum(ridge.chosen) - 1) % GROUPS
        moved = np.zeros((2, GROUPS, models.n_targets, len(directions)))
        for rows, x in ridge.centred_masks(2 * models.n_targets):
            z = x @ loads
            group_of_model = group[rows][ridge.chosen[rows]]
            centred = models.centred(rows, ridge.chosen)
            for total, y, fitted in zip(moved, centred, weights, strict=True):
                rest = y - x @ fitted.T
                for g in range(GROUPS):
                    members = group_of_model == g
                    total[g] += rest[members].T @ z[members]
        moved -= moved.mean(1, keepdims=True)  # which is not 0: the penalty's pull
        values = np.stack([np.float64(fitted) @ directions.T for fitted in weights])
        norms = np.stack([np.linalg.norm(fitted, axis=1) for fitted in weights])
        return cls(values, moved, np.where(norms == 0, 1, norms))

    def variances(self) -> tuple[np.ndarray, np.ndarray]:
        """Variances over targets, less noise, and their standard errors: float64 [2 x k], twice.

        Rows are divided by their norm, which is taken as fixed.
        """
        rows = self.values / self.norms[:, :, None]
        changes = self.moved / self.norms[:, None, :, None]
        return less_noise(rows.var(1), (rows[:, None] - changes).var(2))

    def mean_squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean squares over targets, less noise, and their standard errors: float64 [2 x k], twice.

        Of rows as they are: in the margins' units, squared.
        """
        without = self.values[:, None] - self.moved
        return less_noise((self.values**2).mean(1), (without**2).mean(2))

    def extents(self, projections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far A and B extend along each direction: float64 [2 x k], covariances [k x 2 x 2].

        projections: [n_targets x k], of the other half's difference: the targets that a direction
        moves, and how. In the margins' units, over these targets taken together.
        """
        targets = projections / np.linalg.norm(projections, axis=0)
        extent = np.einsum("atk,tk->ak", self.values, targets)
        moved = np.einsum("agtk,tk->kag", self.moved, targets)
        return extent, GROUPS / (GROUPS - 1) * moved @ moved.transpose(0, 2, 1)


def less_noise(whole: np.ndarray, without: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a mean of squares would be without noise, and its standard error: [2 x k], twice.

    whole: of all models, [2 x k]; without: of all but one group of them, [2 x GROUPS x k]. What
    noise adds to a square is its curvature over groups, which is taken off.
    """
    mean = without.mean(1)
    estimate = whole - (GROUPS - 1) * (mean - whole)
    squares = ((without - mean[:, None]) ** 2).sum(1)
    return estimate, np.sqrt((GROUPS - 1) / GROUPS * squares)


def ratios(values: np.ndarray, covariance: np.ndarray, degrees: int) -> np.ndarray:
    """The second value over the first, with its 95% interval: float64 [k x 3].

    values: [2 x k]; covariance: [k x 2 x 2], estimated with `degrees` degrees of freedom. All NaN
    where the first value is not clearly different from 0: the interval is unbounded (Fieller 1954).
    """
    critical = student.ppf(0.975, degrees) ** 2
    first, second = values
    # The ratios r at which (second - r first)^2 = critical * its variance.
    square = first**2 - critical * covariance[:, 0, 0]
    middle = first * second - critical * covariance[:, 0, 1]
    rest = second**2 - critical * covariance[:, 1, 1]
    sure = square > 0
    square = np.where(sure, square, np.nan)
    width = np.sqrt(np.maximum(middle**2 - square * rest, 0))
    value = np.where(sure, second / np.where(sure, first, 1), np.nan)
    return np.stack([value, (middle - width) / square, (middle + width) / square], 1)
