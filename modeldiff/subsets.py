"""Subsets: which examples a model is trained on.

A mask is a random subset of fixed size, drawn from the key (study seed, subset) alone, so that it
does not depend on which job or chunk asks for it (datamodels paper: subsets of fixed size alpha *
n). On disk masks are bit-packed, [subsets x ceil(n / 8)] bytes.
"""

from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np

from modeldiff.core import arguments, artifacts, rng
from modeldiff.core.errors import CorruptArtifact, UserError, described
from modeldiff.study.sizes import subset_size


def draw(n_examples: int, models: Sequence[int] | range, alpha: float, seed: int) -> np.ndarray:
    """Masks of the given models: bool [len(models) x n_examples], True = trained on.

    models: indices (any integers >= 0, in any order); row i is the mask of `models[i]`.
    alpha: share of the examples in each subset, 0 < alpha <= 1.
    Raises UserError if a subset would be empty or larger than the training set.
    """
    arguments.whole("n_examples", n_examples, 1)
    arguments.whole("seed", seed, 0)
    arguments.above_0("alpha", alpha)
    if isinstance(models, Integral):
        raise UserError(f"models: is {models}; must be their numbers, e.g. range({models})")
    if not isinstance(models, Sequence | np.ndarray):
        raise UserError(f"models: is {described(models)}; must be their numbers, e.g. range(300)")
    for model in models:
        arguments.whole("models: one of them", model, 0)
    chosen = subset_size(n_examples, alpha)
    if not 1 <= chosen <= n_examples:
        raise UserError(
            f"alpha: {alpha} of {n_examples} examples is a subset of {chosen}: "
            f"choose alpha from {1 / max(n_examples, 1):.3g} to 1"
        )
    masks = np.zeros((len(models), n_examples), bool)
    for row, model in zip(masks, models, strict=True):
        row[rng.permutation(n_examples, "mask", seed, int(model))[:chosen]] = True
    return masks


class Masks:
    """Bit-packed masks that unpack by rows: `masks[a:b]` is bool [b - a x n_examples].

    packed: uint8 [subsets x ceil(n_examples / 8)], usually memory-mapped.
    """

    dtype = np.dtype(bool)

    def __init__(self, packed: np.ndarray, n_examples: int):
        self.packed = packed
        self.shape = (len(packed), n_examples)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        return np.unpackbits(self.packed[rows], axis=-1, count=self.shape[1]).view(bool)

    @classmethod
    def open(cls, path: str | Path, key: str, shape: tuple[int, int]) -> "Masks":
        """Memory-map what `write` made for `key`; shape: [subsets x examples] that it must have.

        Raises CorruptArtifact, which names the file, if it is something else.
        """
        packed = artifacts.array(path, key, kind="u", dimensions=2)
        subsets, n_examples = shape
        expected = subsets, -(-n_examples // 8)
        if packed.dtype != np.uint8 or packed.shape != expected:
            came = f"holds {packed.dtype} {list(packed.shape)}, not uint8 {list(expected)}"
            raise CorruptArtifact(f"{path}: {came}, the masks of {subsets} subsets", artifact=path)
        return cls(packed, n_examples)


def write(
    path: str | Path, n_examples: int, models: Iterable[int], alpha: float, seed: int, key: str
) -> None:
    """Write the packed masks of `models` as .npy, a thousand at a time (bounded memory)."""
    indices = list(models)
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(indices), -(-n_examples // 8))}
    with artifacts.write(path, key, n_examples=n_examples, alpha=alpha) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, len(indices), 1000):
            masks = draw(n_examples, indices[start : start + 1000], alpha, seed)
            file.write(np.packbits(masks, axis=1).tobytes())
