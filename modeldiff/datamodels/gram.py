"""What the regression needs of masks and margins: sums over models, taken in one pass.

Sums over disjoint sets of models add and subtract exactly, so ranges of models can be summed in
different jobs, models can join later, and a fold's training set is the whole less the fold.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.datamodels.blocking import LANES, blocks, compiled


@contextmanager
def _tensor_cores() -> Iterator[None]:
    """Products in TF32 on CUDA: 0 and 1 are exact in it, and sums are kept in float32."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32 = before


@dataclass(frozen=True)
class Gram:
    """X'X of 0/1 masks.

    counts: float32 [examples x examples], in how many models both examples are; exact, as float32
        holds every integer up to 16,777,216. The diagonal holds each example's own count.
    models: how many models are summed.
    """

    counts: Tensor
    models: int

    @classmethod
    def of(cls, masks: Any, chosen: np.ndarray, device: torch.device) -> "Gram":
        """Sum over the models where `chosen` (bool [models]) is True.

        Memory: examples^2 + one block of masks, whatever the number of models.
        """
        n = masks.shape[1]
        counts = torch.zeros(n, n, device=device)
        for rows in blocks(len(chosen), n):
            if not chosen[rows].any():
                continue
            x = masks[rows][chosen[rows]]
            if compiled(counts.device):
                from modeldiff.datamodels import bit_kernels

                bit_kernels.add_pairs(x, counts.numpy())
            else:
                z = torch.from_numpy(x).to(device).float()
                with _tensor_cores():
                    counts.addmm_(z.T, z)
        if compiled(counts.device):
            counts = counts.tril() + counts.tril(-1).T
        return cls(counts, int(chosen.sum()))

    def __add__(self, other: "Gram") -> "Gram":
        return Gram(self.counts + other.counts, self.models + other.models)

    def __sub__(self, other: "Gram") -> "Gram":
        return Gram(self.counts - other.counts, self.models - other.models)

    def share(self) -> Tensor:
        """Share of the models that contain each example, float64 [examples]."""
        return self.counts.diagonal().double() / self.models

    def correlation(self) -> Tensor:
        """Z'Z / m of the standardised columns, float32 [examples x examples], rounded from float64.

        Columns that never vary are zero.
        """
        return self.covariance(self.inverse_deviation())

    def covariance(self, scale: Tensor) -> Tensor:
        """Covariance of the columns times `scale` (float64 [examples]), float32, from float64."""
        result = torch.empty_like(self.counts)
        if compiled(result.device):
            from modeldiff.datamodels import bit_kernels

            share = self.share().numpy()
            bit_kernels.covariance(
                self.counts.numpy(), self.models, share, scale.numpy(), result.numpy()
            )
        else:
            for rows in blocks(len(result), len(result)):
                result[rows] = self.covariance_rows(rows, scale)
        return result

    def covariance_rows(self, rows: slice, scale: Tensor) -> Tensor:
        """Rows of `covariance`, in float64 from the exact counts."""
        share = self.share()
        block = self.counts[rows].double().div_(self.models)
        return block.addr_(share[rows], share, alpha=-1).mul_(scale[rows, None]).mul_(scale)

    def inverse_deviation(self) -> Tensor:
        """1 / population standard deviation of the columns, float64 [examples]; 0 if constant."""
        share = self.share()
        variance = share * (1 - share)
        return torch.where(variance > 0, variance.clamp_min(1e-300).rsqrt(), 0)


@dataclass(frozen=True)
class Cross:
    """Sums of the margins of some targets, less `shift`, over the same models as a `Gram`.

    cross: X'(y - shift), float64 [targets x examples]; total: sum of y - shift, square: sum of its
    square, float64 [targets]; shift: float64 [targets], near the mean, so that nothing cancels.
    """

    cross: Tensor
    total: Tensor
    square: Tensor
    shift: Tensor
    models: int

    @classmethod
    def of(
        cls, masks: Any, margins: np.ndarray, chosen: np.ndarray, shift: Tensor, targets: np.ndarray
    ) -> "Cross":
        """Sum over the models where `chosen` is True, for the targets of these indices."""
        device = shift.device
        count = len(shift)
        n = masks.shape[1]
        total = torch.zeros(count, dtype=torch.float64, device=device)
        square = total.clone()
        cross = total.new_zeros(-(-count // LANES), n, LANES)
        for rows in blocks(len(chosen), max(n, margins.shape[1])):
            if not chosen[rows].any():
                continue
            x = masks[rows][chosen[rows]]
            y = read(margins, rows, targets, device)[torch.from_numpy(chosen[rows])] - shift
            total += y.sum(0)
            square += (y * y).sum(0)
            if compiled(device):
                from modeldiff.datamodels import bit_kernels

                bit_kernels.add_selected(x, y.numpy(), cross.numpy())
            else:
                z = torch.from_numpy(x).to(device).double()
                padded = torch.nn.functional.pad(y, (0, -count % LANES))
                cross += (z.T @ padded).view(n, -1, LANES).transpose(0, 1)
        cross = cross.transpose(1, 2).reshape(-1, n)[:count]
        return cls(cross, total, square, shift, int(chosen.sum()))

    def __sub__(self, other: "Cross") -> "Cross":
        return Cross(
            self.cross - other.cross,
            self.total - other.total,
            self.square - other.square,
            self.shift,
            self.models - other.models,
        )


def read(margins: np.ndarray, rows: slice, targets: np.ndarray, device: Any = "cpu") -> Tensor:
    """A block of margins, whatever their type on disk, as float64 [models x targets]."""
    return torch.from_numpy(margins[rows][:, targets].astype(np.float64)).to(device)


def finished(margins: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Which models have only finite margins, bool [stop]; those before `start` are not looked at.

    A margin that is not finite marks a model that failed.
    """
    finite = np.ones(stop, bool)
    for rows in blocks(stop, margins.shape[1]):
        if rows.stop > start:
            finite[rows] = np.isfinite(margins[rows]).all(axis=1)
    return finite
