"""The published package's class, on any machine: same constructor, methods and returned keys.

Source: the `modeldiff` package of the paper's authors. It takes residuals and principal
components on raw rows, so that is the default here; `rows="unit"` gives the paper's notebooks.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff.comparison import compare
from modeldiff.core.errors import UserError


class ModelDiff:
    """Compare two algorithms by scores, or by TRAK scores of models and checkpoints.

    modelA, modelB: torch modules; modelA_ckpts, modelB_ckpts: their state dicts;
    train_loader: a loader that does not shuffle; scores_save_dir: where TRAK keeps its features.
    rows: scaling of the rows before residuals are taken, see `modeldiff.comparison.compare`.
    """

    def __init__(
        self,
        modelA: Any = None,
        modelB: Any = None,
        modelA_ckpts: Iterable[Any] = (),
        modelB_ckpts: Iterable[Any] = (),
        train_loader: Any = None,
        scores_save_dir: str = "./modeldiff_scores",
        *,
        rows: str = "raw",
    ) -> None:
        self.modelA = modelA
        self.modelB = modelB
        self.modelA_ckpts = list(modelA_ckpts)
        self.modelB_ckpts = list(modelB_ckpts)
        self.train_loader = train_loader
        self.scores_save_dir = scores_save_dir
        self.rows = rows

    def get_A_minus_B(self, val_loader: Any, num_pca_comps: int) -> dict[str, Any]:
        """As `get_A_minus_B_from_scores`, for the TRAK scores of the examples of `val_loader`."""
        a, b = self._scores(val_loader)
        return self.get_A_minus_B_from_scores(a, b, num_pca_comps)

    def get_B_minus_A(self, val_loader: Any, num_pca_comps: int) -> dict[str, Any]:
        """As `get_B_minus_A_from_scores`, for the TRAK scores of the examples of `val_loader`."""
        a, b = self._scores(val_loader)
        return self.get_B_minus_A_from_scores(a, b, num_pca_comps)

    def _scores(self, val_loader: Any) -> tuple[np.ndarray, np.ndarray]:
        from modeldiff.attribution import trak  # torch only where models are used

        folder = Path(self.scores_save_dir)
        of_a = trak.scores(self.modelA, self.modelA_ckpts, self.train_loader, val_loader, folder)
        of_b = trak.scores(self.modelB, self.modelB_ckpts, self.train_loader, val_loader, folder)
        return of_a, of_b

    def get_A_minus_B_from_scores(
        self, scoresA: Any, scoresB: Any, num_pca_comps: int
    ) -> dict[str, Any]:
        """Directions that matter to A and not to B.

        scoresA, scoresB: NumPy arrays or torch tensors, [n_test x n_train].
        Returns `directions` [num_pca_comps x n_train], `projections` [n_test x num_pca_comps],
        `variances` {"A", "B"} [num_pca_comps] each, `scores` {"A", "B"}, as given.
        """
        return self._compared("A", scoresA, "B", scoresB, num_pca_comps)

    def get_B_minus_A_from_scores(
        self, scoresA: Any, scoresB: Any, num_pca_comps: int
    ) -> dict[str, Any]:
        """Directions that matter to B and not to A; the key "A" still means A."""
        return self._compared("B", scoresB, "A", scoresA, num_pca_comps)

    def _compared(
        self, first: str, scores_first: Any, second: str, scores_second: Any, k: int
    ) -> dict[str, Any]:
        a = _numpy(scores_first)
        b = _numpy(scores_second)
        comparison = compare(a, b, directions=k, rows=self.rows)
        return {
            "directions": comparison.directions,
            "projections": comparison.projections,
            "variances": {first: comparison.variance_a, second: comparison.variance_b},
            "scores": {first: scores_first, second: scores_second},
        }


def _numpy(scores: Any) -> np.ndarray:
    """Scores as a NumPy array; they may be a torch tensor on any device. Does not import torch."""
    if hasattr(scores, "detach"):
        scores = scores.detach().cpu().numpy()
    if not isinstance(scores, np.ndarray):
        kind = type(scores).__name__
        raise UserError(f"scores: are {kind}; must be a NumPy array or a torch tensor")
    return scores
