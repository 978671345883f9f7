"""Coordinate descent on working sets, one target after the other, compiled for the CPU.

A sparse solution touches few columns: the descent runs on the rows and columns of R that the
working set names, copied together so that they stay in cache. The gradient over all columns is
computed once per point of the path, to certify it and to choose the next working set.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from modeldiff.datamodels.lasso import Held, Problem

SWEEPS = 10_000  # of coordinate descent at most, for one target and penalty
ROUNDS = 20  # of working sets at most
CHUNK = 32  # targets that a thread takes at a time

compiled: Any = njit(nogil=True, cache=True, fastmath=True)


def path_errors(
    problem: Problem, held: Held, penalties: Tensor, tolerance: float, patience: int, rise: float
) -> tuple[Tensor, Tensor]:
    """See `selection.path_errors`."""
    errors = torch.full_like(penalties, torch.inf)
    best = torch.zeros_like(held.c)
    shared = problem.gram.correlation().numpy(), held.h.numpy(), held.bias.numpy()
    each = (problem.c.float(), held.c, held.square, held.mean, penalties, errors, best)
    _over_targets(lambda *x: _path(*shared, *x, tolerance, patience, rise), each)
    return errors, best


def refit(problem: Problem, penalty: Tensor, v: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """See `selection.refit`."""
    gram, v, gaps = problem.gram, v.clone(), torch.zeros_like(penalty)
    shared = gram.counts.numpy(), gram.models, problem.share.numpy(), problem.inverse.numpy()
    unit = problem.inverse * problem.scale[:, None]
    _over_targets(lambda *x: _refit(*shared, *x, tolerance), (problem.c, penalty, unit, v, gaps))
    return v, gaps


def _over_targets(work: Callable[..., None], arrays: Sequence[Tensor]) -> None:
    """Call `work` on the same few rows of all arrays at a time, on as many threads as torch."""
    split = zip(*([y.numpy() for y in x.split(CHUNK)] for x in arrays), strict=True)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(lambda x: work(*x), split))


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
    residual, aligned = max(1 - explained - kept, 1e-300), 1 - explained
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
def _gradient(r, c, v, g):  # type: ignore[no-untyped-def]
    """g = c - R v, in place."""
    g[:] = c
    for j in range(len(v)):
        if v[j] != 0:
            a, row = v[j], r[j]
            for k in range(len(g)):
                g[k] -= a * row[k]


@compiled
def _join(r, members, old, w, q):  # type: ignore[no-untyped-def]
    """Copy the rows and columns of the members `old` to `w` from r into q."""
    for i in range(old, w):
        row = r[members[i]]
        for k in range(i + 1):
            q[i, k] = row[members[k]]
    for i in range(w):
        for k in range(max(i + 1, old), w):
            q[i, k] = q[k, i]


@compiled
def _path(  # type: ignore[no-untyped-def]
    r,
    h,
    bias,
    c,
    held_c,
    held_square,
    held_mean,
    penalties,
    errors,
    best,
    tolerance,
    patience,
    rise,
):
    """The path of some targets and its held-out errors; see `selection.path_errors`.

    r: float32 [examples x examples]; c: float32 [targets x examples]; penalties: float32
    [targets x path]. errors [targets x path] and best (v at the smallest error) are written.
    Held-out error = held_square - 2 held_c'v + v'h v + (held_mean - bias'v)^2.
    """
    targets, n = c.shape
    room = min(n, 256)
    q = np.empty((room, room), np.float32)
    hq = np.empty((room, room), np.float32)
    members = np.empty(n, np.int64)
    inside = np.empty(n, np.bool_)
    g = np.empty(n, np.float32)
    v = np.empty(n, np.float32)
    cw = np.empty(n, np.float32)
    gw = np.empty(n, np.float32)
    vw = np.empty(n, np.float32)
    for t in range(targets):
        g[:] = c[t]
        v[:] = 0
        inside[:] = False
        w = 0
        smallest, since = held_square[t] + held_mean[t] ** 2, 0
        errors[t, 0] = smallest
        for point in range(1, penalties.shape[1]):
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
                    bigger = np.empty((room, room), np.float32)
                    bigger[:old, :old] = q[:old, :old]
                    q = bigger
                    bigger = np.empty((room, room), np.float32)
                    bigger[:old, :old] = hq[:old, :old]
                    hq = bigger
                _join(r, members, old, w, q)
                for i in range(old, w):
                    row = h[members[i]]
                    for k in range(i + 1):
                        hq[i, k] = row[members[k]]
                for i in range(w):
                    j = members[i]
                    cw[i], gw[i], vw[i] = c[t, j], g[j], v[j]
                _descend(q, cw[:w], gw[:w], vw[:w], np.float32(penalty), 0.5 * tolerance)
                for i in range(w):
                    v[members[i]] = vw[i]
                _gradient(r, c[t], v, g)
                if _gap(c[t], g, v, penalty) <= tolerance:
                    break
            error, shift = held_square[t], held_mean[t]
            for i in range(w):
                if vw[i] != 0:
                    j = members[i]
                    inner = 0.0
                    for k in range(i):
                        inner += hq[i, k] * vw[k]
                    error += vw[i] * (2 * inner + hq[i, i] * vw[i] - 2 * held_c[t, j])
                    shift -= bias[j] * vw[i]
            error += shift * shift
            errors[t, point] = error
            if error < smallest:
                smallest, since = error, 0
                best[t] = v
            else:
                since += 1
                if since == patience or error > (1 + rise) * smallest:
                    break


@compiled
def _exact_gradient(counts, models, share, inverse, c, v, g):  # type: ignore[no-untyped-def]
    """g = c - R v in float64, from the counts."""
    g[:] = 0
    mean = 0.0
    for j in range(len(v)):
        if v[j] != 0:
            a, row = v[j] * inverse[j], counts[j]
            mean += a * share[j]
            for k in range(len(g)):
                g[k] += a * row[k]
    for k in range(len(g)):
        g[k] = c[k] - inverse[k] * (g[k] / models - share[k] * mean)


@compiled
def _refit(  # type: ignore[no-untyped-def]
    counts, models, share, inverse, c, penalties, unit, v, gaps, tolerance
):
    """Solve and certify some targets in float64, from v in place; see `selection.refit`.

    unit: float64 [targets x examples], mask units per standardised unit, in which v is rounded to
    float32 before it is certified.
    """
    targets, n = c.shape
    room = 0
    q = np.empty((room, room))
    members = np.empty(n, np.int64)
    g = np.empty(n)
    for t in range(targets):
        penalty = penalties[t]
        goal = tolerance
        for _ in range(ROUNDS):
            _exact_gradient(counts, models, share, inverse, c[t], v[t], g)
            gaps[t] = _gap(c[t], g, v[t], penalty)
            if gaps[t] <= tolerance:
                break
            w = 0
            for j in range(n):
                if v[t, j] != 0 or abs(g[j]) >= 0.9 * penalty:
                    members[w] = j
                    w += 1
            if w > room:
                room = min(n, w + w // 4)
                q = np.empty((room, room))
            for i in range(w):
                a = members[i]
                row = counts[a]
                for k in range(i + 1):
                    b = members[k]
                    x = inverse[a] * inverse[b] * (row[b] / models - share[a] * share[b])
                    q[i, k] = x
                    q[k, i] = x
            chosen = members[:w]
            vw = v[t][chosen]
            _descend(q, c[t][chosen], g[chosen], vw, penalty, 0.1 * goal)
            for i in range(w):
                scale = unit[t, chosen[i]]
                v[t, chosen[i]] = np.float64(np.float32(vw[i] * scale)) / scale
            goal *= 0.3
