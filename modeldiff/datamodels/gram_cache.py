"""The Gram matrices that all jobs of a study share: summed once, extended when models join."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from modeldiff.core.errors import UserError
from modeldiff.datamodels.gram import Gram, finished

FAILED = -1
HeldOut = float | Sequence[int] | np.ndarray | None  # as `fit` takes it


def share_of(held_out: HeldOut) -> float | None:
    """The share of the models that choose; None if they are named by their numbers."""
    if held_out is not None and not isinstance(held_out, int | float):
        return None
    share = 0.1 if held_out is None else held_out
    if not 0 < share < 1:
        raise UserError(f"held_out: {share} is not a share of the models, between 0 and 1")
    return share


def choosing(models: int, held_out: HeldOut) -> np.ndarray:
    """Which models choose, bool [models]."""
    index = np.arange(models)
    share = share_of(held_out)
    if share is None:
        return np.isin(index, np.asarray(held_out))
    return _spread(index, share)


def _spread(index: np.ndarray, share: float) -> np.ndarray:
    """Whether models of these numbers choose: a share of them, spread evenly."""
    return np.floor((index + 1) * share + 1e-9) > np.floor(index * share + 1e-9)


@dataclass(frozen=True)
class Grams:
    """X'X of the masks, in parts: of the models that choose lambda, and of the others.

    parts: without `folds` two, of the models that are fitted and of those that choose; else one
        per fold, each of which chooses in turn.
    part: int8 [models], the part of each model; -1 if it failed.
    folds, share: the part of models that join: part i modulo `folds` for model i, or the choosing
        part for an even `share` of them. A model's part depends on its index alone.

    Memory and file: examples^2 float32 per part.
    """

    parts: tuple[Gram, ...]
    part: np.ndarray
    folds: int | None
    share: float

    @classmethod
    def of(
        cls,
        masks: Any,
        margins: np.ndarray,
        held_out: HeldOut = None,
        folds: int | None = None,
        device: str = "cpu",
    ) -> "Grams":
        """Sum over all models; arguments as for `fit`."""
        if folds is not None and (held_out is not None or not 2 <= folds <= 100):
            raise UserError(f"folds: {folds}; must be 2 to 100, without held_out")
        zeros = torch.zeros(masks.shape[1], masks.shape[1], device=device)
        empty = (Gram(zeros, 0),) * (folds or 2)
        nobody = np.empty(0, np.int8)
        share = share_of(held_out)
        if share is not None:
            return cls(empty, nobody, folds, share).extend(masks, margins)
        return cls(empty, nobody, None, 0.0)._add(masks, margins, choosing(len(margins), held_out))

    def extend(self, masks: Any, margins: np.ndarray, stop: int | None = None) -> "Grams":
        """With the models that are not summed yet, up to model `stop` (None: all).

        masks, margins: of all models, those already summed first and unchanged.
        """
        index = np.arange(len(margins) if stop is None else stop)
        if self.folds:
            return self._add(masks, margins, index % self.folds)
        return self._add(masks, margins, _spread(index, self.share))

    def _add(self, masks: Any, margins: np.ndarray, part: np.ndarray) -> "Grams":
        start = len(self.part)
        device = self.parts[0].counts.device
        part = np.where(finished(margins, start, len(part)), part, FAILED).astype(np.int8)
        part[:start] = self.part
        new = np.arange(len(part)) >= start
        parts = tuple(
            gram + Gram.of(masks, new & (part == k), device) for k, gram in enumerate(self.parts)
        )
        return Grams(parts, part, self.folds, self.share)

    @property
    def choosing(self) -> list[int]:
        """The parts that choose lambda, in turn."""
        return list(range(len(self.parts))) if self.folds else [1]

    def rest(self, total: Gram, k: int) -> Gram:
        """All models but those of part k."""
        return total - self.parts[k] if self.folds else self.parts[1 - k]

    def save(self, file: str | Path | BinaryIO) -> None:
        """Write as .npz without pickle."""
        counts: dict[str, Any] = {
            f"counts_{k}": gram.counts.cpu().numpy() for k, gram in enumerate(self.parts)
        }
        np.savez(file, part=self.part, folds=self.folds or 0, share=self.share, **counts)

    @classmethod
    def load(cls, file: str | Path | BinaryIO, device: str = "cpu") -> "Grams":
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as content:
            part = content["part"]
            folds = int(content["folds"]) or None
            grams = []
            for k in range(folds or 2):
                counts = torch.from_numpy(content[f"counts_{k}"]).to(device)
                grams.append(Gram(counts, models=int((part == k).sum())))
            return cls(tuple(grams), part, folds, float(content["share"]))
