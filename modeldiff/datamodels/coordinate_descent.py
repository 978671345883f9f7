"""Coordinate descent on working sets, one target after the other, compiled for the CPU.

A sparse solution touches few columns: the descent runs on the rows and columns of R that the
working set names, copied together so that they stay in cache. The gradient over all columns is
computed in float64 after each descent, to certify it and to choose the next working set.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from modeldiff.datamodels.gram import Gram
from modeldiff.datamodels.lasso import HeldOut, Problem

SWEEPS = 10_000  # of coordinate descent at most, for one target and penalty
ROUNDS = 20  # of working sets at most
CHUNK = 32  # targets that a thread takes at a time

compiled: Any = njit(nogil=True, cache=True, fastmath=True)


def path_errors(
    problem: Problem, held: HeldOut, penalties: Tensor, tolerance: float, patience: int, rise: float
) -> tuple[Tensor, Tensor, Tensor]:
    """See `lambda_path.path_errors`."""
    errors = torch.full_like(penalties, torch.inf)
    gaps = torch.full_like(penalties, torch.nan)
    best = torch.zeros_like(held.c)
    shared = (*_sums(problem.gram, problem), *_sums(held.gram, problem), held.bias.numpy())
    each = (problem.c, held.c, held.square, held.mean, penalties, errors, best, gaps)
    _over_targets(lambda *x: _path(*shared, *x, tolerance, patience, rise), each)
    return errors, best, gaps


def refit(problem: Problem, penalty: Tensor, v: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """See `lambda_path.refit`."""
    v = v.clone()
    gaps = torch.zeros_like(penalty)
    shared = _sums(problem.gram, problem)
    unit = problem.inverse * problem.scale[:, None]
    _over_targets(lambda *x: _refit(*shared, *x, tolerance), (problem.c, penalty, unit, v, gaps))
    return v, gaps


def _sums(gram: Gram, problem: Problem) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """Counts, models, shares of the models and 1 / sd: entries of R, exactly.

    Counts are read over and over, and memory bandwidth is the bottleneck: uint16 halves it.
    """
    counts = gram.counts.numpy()
    if gram.models < 1 << 16:
        counts = counts.astype(np.uint16)
    return counts, gram.models, gram.share().numpy(), problem.inverse.numpy()


def _over_targets(work: Callable[..., None], arrays: Sequence[Tensor]) -> None:
    """Call `work` on the same few rows of all arrays at a time, on as many threads as torch."""

    def work_from(start: int) -> None:
        work(*(array[start : start + CHUNK].numpy() for array in arrays))

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(work_from, range(0, len(arrays[0]), CHUNK)))


@compiled
def _gap(c, g, v, penalty):  # type: ignore[no-untyped-def]
    """`lasso.gap` of one target; sums in float64."""
    explained = kept = norm = largest = 0.0
    for k in range(len(g)):
        if abs(g[k]) > largest:
            largest = abs(g[k])
        if v[k] != 0:
            explained += c[k] * v[k]
            kept += g[k] * v[k]
            norm += abs(v[k])
    residual = max(1 - explained - kept, 1e-300)
    aligned = 1 - explained
    dual = max(min(aligned / residual, penalty / max(largest, 1e-300)), 0)
    return max(residual + 2 * penalty * norm - 2 * dual * aligned + dual * dual * residual, 0)


@compiled
def _descend(q, c, g, v, penalty, tolerance):  # type: ignore[no-untyped-def]
    """Cyclic coordinate descent from v, in place, until the gap on these columns is small.

    q: at least as many rows and columns as v is long; penalty: of the same type as v.
    """
    w = len(v)
    for _ in range(SWEEPS):
        for i in range(w):
            z = v[i] + g[i]
            new = z - penalty if z > penalty else (z + penalty if z < -penalty else 0 * z)
            d = new - v[i]
            if d != 0:
                v[i] = new
                row = q[i]
                for k in range(w):
                    g[k] -= d * row[k]
        if _gap(c, g, v, penalty) <= tolerance:
            return


@compiled
def _gradient(counts, models, share, inverse, c, v, g, rows, scales):  # type: ignore[no-untyped-def]
    """g = c - R v in float64, from the exact counts.

    rows, scales: room for the columns in v and their factors, 3 longer than v.
    """
    w = 0
    mean = 0.0
    for j in range(len(v)):
        if v[j] != 0:
            rows[w] = j
            scales[w] = v[j] * inverse[j]
            mean += scales[w] * share[j]
            w += 1
    rows[w : w + 3] = 0
    scales[w : w + 3] = 0
    g[:] = 0
    for j in range(0, w, 4):  # four loads for each store
        row_a = counts[rows[j]]
        row_b = counts[rows[j + 1]]
        row_c = counts[rows[j + 2]]
        row_d = counts[rows[j + 3]]
        x_a = scales[j]
        x_b = scales[j + 1]
        x_c = scales[j + 2]
        x_d = scales[j + 3]
        for k in range(len(g)):
            g[k] += (x_a * row_a[k] + x_b * row_b[k]) + (x_c * row_c[k] + x_d * row_d[k])
    for k in range(len(g)):
        g[k] = c[k] - inverse[k] * (g[k] / models - share[k] * mean)


@compiled
def _join(counts, models, share, inverse, members, old, w, q):  # type: ignore[no-untyped-def]
    """Write the rows and columns of R of the members `old` to `w` into q."""
    for i in range(old, w):
        a = members[i]
        row = counts[a]
        x = inverse[a] / models
        mean = inverse[a] * share[a]
        for k in range(i + 1):
            b = members[k]
            q[i, k] = inverse[b] * (x * row[b] - mean * share[b])
    for i in range(w):
        for k in range(max(i + 1, old), w):
            q[i, k] = q[k, i]


@compiled
def _larger(q, old, room):  # type: ignore[no-untyped-def]
    """The first `old` rows and columns of q, with room for more."""
    larger = np.empty((room, room), q.dtype)
    larger[:old, :old] = q[:old, :old]
    return larger


@compiled
def _path(  # type: ignore[no-untyped-def]
    counts,
    models,
    share,
    inverse,
    held_counts,
    held_models,
    held_share,
    _,
    bias,
    c,
    held_c,
    held_square,
    held_mean,
    penalties,
    errors,
    best,
    gaps,
    tolerance,
    patience,
    rise,
):
    """The path of some targets and its held-out errors; see `lambda_path.path_errors`.

    c: float64 [targets x examples]; penalties: float64 [targets x path]. errors and gaps
    [targets x path] and best (v at the smallest error, float32) are written.
    The descent is in float32; gradients and gaps, of its float32 solution, are in float64.
    Held-out error = held_square - 2 held_c'v + v'h v + (held_mean - bias'v)^2.
    """
    targets, n = c.shape
    room = min(n, 256)
    q = np.empty((room, room), np.float32)
    h = np.empty((room, room), np.float32)
    members = np.empty(n, np.int64)
    inside = np.empty(n, np.bool_)
    rows = np.empty(n + 3, np.int64)
    scales = np.empty(n + 3)
    g = np.empty(n)
    v = np.empty(n, np.float32)
    cw = np.empty(n, np.float32)
    gw = np.empty(n, np.float32)
    vw = np.empty(n, np.float32)
    for t in range(targets):
        g[:] = c[t]
        v[:] = 0
        inside[:] = False
        w = 0
        smallest = np.inf
        since = 0  # points of the path since the smallest error
        for point in range(penalties.shape[1]):
            penalty = penalties[t, point]
            for _ in range(ROUNDS):
                old = w
                for j in range(n):
                    if not inside[j] and abs(g[j]) > penalty:
                        inside[j] = True
                        members[w] = j
                        w += 1
                if w > room:
                    room = min(n, 2 * w)
                    q = _larger(q, old, room)
                    h = _larger(h, old, room)
                _join(counts, models, share, inverse, members, old, w, q)
                _join(held_counts, held_models, held_share, inverse, members, old, w, h)
                for i in range(w):
                    j = members[i]
                    cw[i] = c[t, j]
                    gw[i] = g[j]
                    vw[i] = v[j]
                _descend(q, cw[:w], gw[:w], vw[:w], np.float32(penalty), 0.5 * tolerance)
                for i in range(w):
                    v[members[i]] = vw[i]
                _gradient(counts, models, share, inverse, c[t], v, g, rows, scales)
                gaps[t, point] = _gap(c[t], g, v, penalty)
                if gaps[t, point] <= tolerance:
                    break
            error = held_square[t]
            shift = held_mean[t]
            for i in range(w):
                if vw[i] != 0:
                    j = members[i]
                    inner = 0.0
                    for k in range(i):
                        inner += h[i, k] * vw[k]
                    error += vw[i] * (2 * inner + h[i, i] * vw[i] - 2 * held_c[t, j])
                    shift -= bias[j] * vw[i]
            error += shift * shift
            errors[t, point] = error
            if error < smallest:
                smallest = error
                since = 0
                best[t] = v
            else:
                since += 1
                if since == patience or error > (1 + rise) * smallest:
                    break


@compiled
def _refit(  # type: ignore[no-untyped-def]
    counts, models, share, inverse, c, penalties, unit, v, gaps, tolerance
):
    """Solve and certify some targets in float64, from v in place; see `lambda_path.refit`.

    unit: float64 [targets x examples], mask units per standardised unit, in which v is rounded to
    float32 before it is certified.
    """
    targets, n = c.shape
    q = np.empty((0, 0))
    members = np.empty(n, np.int64)
    rows = np.empty(n + 3, np.int64)
    scales = np.empty(n + 3)
    g = np.empty(n)
    for t in range(targets):
        penalty = penalties[t]
        goal = tolerance
        for _ in range(ROUNDS):
            _gradient(counts, models, share, inverse, c[t], v[t], g, rows, scales)
            gaps[t] = _gap(c[t], g, v[t], penalty)
            if gaps[t] <= tolerance:
                break
            w = 0
            for j in range(n):
                if v[t, j] != 0 or abs(g[j]) >= 0.9 * penalty:
                    members[w] = j
                    w += 1
            if w > len(q):
                q = _larger(q, 0, min(n, w + w // 4))
            _join(counts, models, share, inverse, members, 0, w, q)
            chosen = members[:w]
            vw = v[t][chosen]
            _descend(q, c[t][chosen], g[chosen], vw, penalty, 0.1 * goal)
            for i in range(w):
                scale = unit[t, chosen[i]]
                v[t, chosen[i]] = np.float64(np.float32(vw[i] * scale)) / scale
            goal *= 0.3
