"""What a fit returns: weights and intercepts that predict margins, with their certificate."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from modeldiff.core import arguments, artifacts
from modeldiff.core.errors import UserError
from modeldiff.datamodels.blocking import blocks

VERSION = 1  # of the file
PATH_GAP = 1e-4  # at which a point of the path is good enough to be judged


@dataclass(frozen=True)
class Datamodels:
    """Linear datamodels of some targets: `masks @ weights.T + intercept` predicts margins.

    weights: float32 [targets x examples], change of the margin when the example joins the subset.
    intercept: float64 [targets], the margin predicted for the empty subset.
    lambdas: float64 [targets], the chosen L1 penalty on standardised columns, in units of the
        margin (ridge: its penalty, on standardised targets; ols, difference and one's own: 0;
        multiplicative_weights: the chosen l1 norm, in units of the margin).
    gap: float64 [targets], how far the objective at these weights is at most above its minimum,
        relative to the null objective (0 for a constant target, and for difference,
        multiplicative_weights and one's own, whose objective is none or not known).
    estimator, tolerance: as asked of `fit`.
    n_models, n_failed: models that were used, and left out because a margin is not finite.
    path: float64 [targets x path], the penalties among which lambda was chosen; path_gap: float32,
        the gap at each, computed in float64, of the fit on the models that do not choose (of
        several folds, the largest); NaN where a target's path had ended. Without columns where no
        path was followed. A point is good enough to be judged from a gap of `PATH_GAP`.
    prior: what the prior's weights were multiplied by; 0 without one, or if it did not help.
    """

    weights: np.ndarray
    intercept: np.ndarray
    lambdas: np.ndarray
    gap: np.ndarray
    estimator: str
    tolerance: float
    n_models: int
    n_failed: int
    path: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    path_gap: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    prior: float = 0.0

    @property
    def unconverged(self) -> np.ndarray:
        """Indices of the targets whose gap exceeds the tolerance, int64."""
        return np.flatnonzero(~(self.gap <= self.tolerance))

    @property
    def unconverged_path(self) -> np.ndarray:
        """Indices of the targets with a point of the path whose gap exceeds `PATH_GAP`, int64."""
        return np.flatnonzero((self.path_gap > PATH_GAP).any(axis=1))

    @classmethod
    def joined(cls, parts: Sequence["Datamodels"]) -> "Datamodels":
        """The targets of all parts, in order; the parts differ in nothing else."""
        arrays: dict[str, Any] = {}
        for name in ("weights", "intercept", "lambdas", "gap", "path", "path_gap"):
            arrays[name] = np.concatenate([getattr(part, name) for part in parts])
        return replace(parts[0], **arrays)

    def predict(self, masks: Any) -> np.ndarray:
        """Margins predicted for masks [models x examples]: float32 [models x targets].

        masks: bool, any array-like that gives a bool array when sliced by a range of rows.
        """
        arguments.masks("masks", masks)
        if masks.shape[1] != self.weights.shape[1]:
            raise UserError(
                f"masks: have {masks.shape[1]} examples, the datamodels {self.weights.shape[1]}"
            )
        weights = torch.from_numpy(self.weights).T
        intercept = torch.from_numpy(self.intercept).float()
        result = np.empty((masks.shape[0], len(self.weights)), np.float32)
        for rows in blocks(len(result), masks.shape[1]):
            x = torch.from_numpy(np.ascontiguousarray(masks[rows])).float()
            torch.addmm(intercept, x, weights, out=torch.from_numpy(result[rows]))
        return result

    def save(self, file: str | Path | BinaryIO) -> None:
        """Write as .npz without pickle; weights as sparse rows (CSR) where that is smaller."""
        content: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        support = self.weights != 0
        if 2 * support.sum() < support.size:
            content["weights"] = self.weights[support]
            content["columns"] = np.nonzero(support)[1].astype(np.int32)
            content["row_ends"] = np.cumsum(support.sum(axis=1))
        content |= {"shape": np.array(self.weights.shape), "version": VERSION}
        if isinstance(file, str | Path):
            with open(file, "wb") as opened:  # np.savez would add a suffix to a path
                np.savez(opened, **content)
        else:
            np.savez(file, **content)

    @classmethod
    def load(cls, file: str | Path | BinaryIO) -> "Datamodels":
        """Read what `save` wrote; UserError if it is something else."""
        try:
            with np.load(file, allow_pickle=False) as archive:
                content = dict(archive)
            if int(content.pop("version")) != VERSION:
                raise UserError(f"{file}: datamodels of another version, not {VERSION}")
            shape = tuple(content.pop("shape"))
            if "columns" in content:
                counts = np.diff(content.pop("row_ends"), prepend=0)
                rows = np.repeat(np.arange(shape[0]), counts)
                weights = np.zeros(shape, np.float32)
                weights[rows, content.pop("columns")] = content["weights"]
                content["weights"] = weights
            scalars = {"estimator": str, "tolerance": float, "n_models": int, "n_failed": int}
            for name, kind in scalars.items():
                content[name] = kind(content[name])
            content["prior"] = float(content.get("prior", 0))  # earlier files have none
            return cls(**content)
        except artifacts.UNREADABLE as error:
            raise UserError(f"{file}: is not a file of datamodels ({error})") from None
