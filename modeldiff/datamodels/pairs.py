"""How often two examples share a subset: X'X of packed masks by AND and population count (CPU)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import intrinsic

STRIP = 64  # rows of the result that a thread computes at a time


def _ctpop(typing: Any, word: Any) -> Any:
    """Number of set bits of a uint64, as the processor's own instruction."""
    return types.uint64(types.uint64), lambda context, builder, kind, x: builder.ctpop(x[0])


population: Any = intrinsic(_ctpop)
compiled: Any = njit(nogil=True, cache=True)


@compiled
def _count(bits, counts, start, stop):  # type: ignore[no-untyped-def]
    """Add to the rows `start` to `stop` of counts, up to the diagonal."""
    for j in range(stop):
        other = bits[j]
        for i in range(max(start, j), stop):
            row, total = bits[i], np.uint64(0)
            for k in range(bits.shape[1]):
                total += population(row[k] & other[k])
            counts[i, j] += np.float32(total)


def add(masks: np.ndarray, counts: np.ndarray) -> None:
    """Add X'X of masks, bool [models x examples], to the lower triangle of counts, float32."""
    padded = np.zeros((masks.shape[1], -(-len(masks) // 64) * 8), np.uint8)
    padded[:, : -(-len(masks) // 8)] = np.packbits(masks, axis=0).T
    bits = padded.view(np.uint64)
    starts = range(0, len(bits), STRIP)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(lambda a: _count(bits, counts, a, min(a + STRIP, len(bits))), starts))
