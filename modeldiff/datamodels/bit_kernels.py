"""Sums over models on the CPU, from bits: X'X by population count, X'y by table.

X'y: for every 8 models, a table holds the sums of y over all 256 subsets of them. One byte of a
packed mask column then selects the sum over the models that contain the example. All in float64.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import intrinsic

from modeldiff.datamodels.blocking import LANES

STRIP = 64  # rows of X'X that a thread computes at a time
BYTES = 8  # of a packed column whose tables are in use at a time, so that they stay in cache


def _ctpop(typing: Any, word: Any) -> Any:
    """Number of set bits of a uint64, as the processor's own instruction."""
    return types.uint64(types.uint64), lambda context, builder, kind, x: builder.ctpop(x[0])


population: Any = intrinsic(_ctpop)
compiled: Any = njit(nogil=True, cache=True)


@compiled
def covariance(counts, models, share, scale, result):  # type: ignore[no-untyped-def]
    """`Gram.covariance` in one pass, without temporaries."""
    for i in range(len(counts)):
        for k in range(len(counts)):
            x = counts[i, k] / models - share[i] * share[k]
            result[i, k] = x * (scale[i] * scale[k])


@compiled
def _count(bits, counts, start, stop):  # type: ignore[no-untyped-def]
    """Add to the rows `start` to `stop` of counts, up to the diagonal."""
    for j in range(stop):
        other = bits[j]
        for i in range(max(start, j), stop):
            row = bits[i]
            total = np.uint64(0)
            for k in range(bits.shape[1]):
                total += population(row[k] & other[k])
            counts[i, j] += np.float32(total)


@compiled
def _add_selected(codes, y, out):  # type: ignore[no-untyped-def]
    """out[j] += the sum of the rows of y that the bits of codes[j] select."""
    table = np.zeros((BYTES, 256, LANES))
    for first in range(0, codes.shape[1], BYTES):
        for g in range(BYTES):
            for bit in range(8):
                row = y[8 * (first + g) + 7 - bit]  # the lowest bit is the last model
                for code in range(1 << bit):
                    for lane in range(LANES):
                        table[g, code + (1 << bit), lane] = table[g, code, lane] + row[lane]
        for j in range(len(codes)):
            code = codes[j, first : first + BYTES]
            total = out[j]
            for g in range(0, BYTES, 4):  # four loads for each store
                a = table[g, code[g]]
                b = table[g + 1, code[g + 1]]
                c = table[g + 2, code[g + 2]]
                d = table[g + 3, code[g + 3]]
                for lane in range(LANES):
                    total[lane] += (a[lane] + b[lane]) + (c[lane] + d[lane])


def _pack(masks: np.ndarray) -> np.ndarray:
    """Columns of masks as bits, uint8 [examples x bytes], padded with zeros to whole uint64."""
    packed = np.zeros((masks.shape[1], -(-len(masks) // 64) * 8), np.uint8)
    packed[:, : -(-len(masks) // 8)] = np.packbits(masks, axis=0).T
    return packed


def _in_threads(work: Callable[[int], None], starts: range) -> None:
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(work, starts))


def add_pairs(masks: np.ndarray, counts: np.ndarray) -> None:
    """Add X'X of masks, bool [models x examples], to the lower triangle of counts, float32."""
    bits = _pack(masks).view(np.uint64)
    _in_threads(
        lambda a: _count(bits, counts, a, min(a + STRIP, len(bits))), range(0, len(bits), STRIP)
    )


def add_selected(masks: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """Add X'y to out, float64 [targets / LANES, rounded up x examples x LANES].

    masks: bool [models x examples]; y: float64 [models x targets].
    """
    codes = _pack(masks)

    def work(start: int) -> None:
        lanes = np.zeros((8 * codes.shape[1], LANES))
        part = y[:, start : start + LANES]
        lanes[: len(y), : part.shape[1]] = part
        _add_selected(codes, lanes, out[start // LANES])

    _in_threads(work, range(0, y.shape[1], LANES))
