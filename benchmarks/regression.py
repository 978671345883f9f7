"""Datamodel regression: ours beside scikit-learn, celer and skglm, in one run.

Every solver does the same job on the same data: for each target a path of 20 penalties down to
lambda_max / 100 on 90% of the models, the penalty with the smallest error on the other 10%, and
the fit on all models at it, to a relative duality gap of 1e-6 or less. The gap is measured for
all in the same way: in float64, from the masks. Peers solve a sample of the targets, and their time
is scaled to all targets. Times compared are CPU seconds over all threads, which other work on the
machine hardly disturbs: the ratio is that of wall times if every solver keeps all cores busy. Their
tolerance is the loosest of a few that reaches the gap on the sample. `stopped` grants them what
ours does by itself: to end the path two points past the smallest held-out error.

    python benchmarks/regression.py                            # the table in LOG.md
    python benchmarks/regression.py --sizes 3000x1200x500 --sample 4
    python benchmarks/regression.py --sizes 5000x2500x400 10000x2500x400 --peers  # ours alone
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from celer import celer_path
from skglm.datafits import Quadratic
from skglm.penalties import L1
from skglm.solvers import AndersonCD
from sklearn.linear_model import lasso_path
from threadpoolctl import threadpool_limits

from modeldiff import datamodels
from modeldiff.subsets import Masks

PATH, MIN_RATIO, GAP = 20, 0.01, 1e-6
SIZES = "1350x1200x450 3000x1200x500 9000x2500x800 20000x5000x1000"
PLANTED = 20  # examples that a target depends on


def write_data(folder: Path, models: int, examples: int, targets: int, noise: float) -> None:
    """Masks of half the examples; margins of planted sparse weights, noise in their sd."""
    random = np.random.default_rng(0)
    weights = np.zeros((examples, targets), np.float32)
    for column in weights.T:
        column[random.choice(examples, PLANTED, replace=False)] = random.normal(size=PLANTED)
    margins = np.lib.format.open_memmap(folder / "margins.npy", "w+", np.float32, (models, targets))
    packed = []
    for rows in np.array_split(np.arange(models), max(1, models // 1000)):
        order = random.random((len(rows), examples), np.float32).argsort(axis=1)
        masks = order < examples // 2
        packed.append(np.packbits(masks, axis=1))
        # a sum over half of PLANTED weights of variance 1 has variance PLANTED / 4
        error = noise * np.sqrt(PLANTED) / 2 * random.standard_normal((len(rows), targets))
        margins[rows] = masks.astype(np.float32) @ weights + error
    np.save(folder / "masks.npy", np.concatenate(packed))


def read_data(folder: Path, examples: int) -> tuple[Masks, np.ndarray]:
    return (
        Masks(np.load(folder / "masks.npy", mmap_mode="r"), examples),
        np.load(folder / "margins.npy", mmap_mode="r"),
    )


def ours(folder: Path, examples: int) -> None:
    """Fit in this process, of its own so that its peak memory can be told; print one JSON line."""
    masks, margins = read_data(folder, examples)
    datamodels.fit(masks[:100][:, :50], margins[:100, :3])  # compiles
    start = np.array([time.perf_counter(), time.process_time()])
    fit = datamodels.fit(masks, margins, path=PATH, min_ratio=MIN_RATIO, tolerance=GAP)
    seconds, cpu = np.array([time.perf_counter(), time.process_time()]) - start
    fit.save(folder / "fit.npz")
    # Linux only; ru_maxrss would count what the parent held when it started this process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20  # from KiB
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak}))


class Peers:
    """A sample of the targets in the peers' form: standardised float64 columns, centred targets."""

    def __init__(self, masks: Masks, margins: np.ndarray, sample: np.ndarray):
        held = np.arange(len(margins)) % 10 == 9
        x, y = masks[:].astype(np.float64), margins[:, sample].astype(np.float64)
        self.parts = []
        for rows in (~held, slice(None)):
            mean, scale = x[rows].mean(0), x[rows].std(0)
            z = np.asfortranarray((x[rows] - mean) / scale)
            self.parts.append((z, y[rows] - y[rows].mean(0)))
        rest = ~held
        self.held = (x[held] - x[rest].mean(0)) / x[rest].std(0), y[held] - y[rest].mean(0)
        self.crosses = [z.T @ y for z, y in self.parts]

    def sum_grams(self) -> float:
        """What scikit-learn needs beside; returns CPU seconds."""
        start = time.process_time()
        self.grams = [z.T @ z for z, _ in self.parts]
        return time.process_time() - start

    def gap(self, t: int, v: np.ndarray, penalty: float) -> float:
        """Relative duality gap on all models, in float64."""
        z, y = self.parts[1][0], self.parts[1][1][:, t]
        m, residual = len(y), y - z @ v
        scale = min(y @ residual / (residual @ residual), m * penalty / abs(z.T @ residual).max())
        primal = residual @ residual / 2 / m + penalty * abs(v).sum()
        dual = (scale * (y @ residual) - scale**2 * (residual @ residual) / 2) / m
        return (primal - dual) / (y @ y / 2 / m)

    def job(self, path: Callable, t: int, grid: np.ndarray, tolerance: float) -> tuple:
        """Choose and refit one target; returns CPU seconds, penalty and solution."""
        start = time.thread_time()
        coefs = path(0, t, grid, None, tolerance)
        z, y = self.held
        errors = np.square(y[:, [t]] - z @ coefs).mean(0)
        best = errors.argmin()
        v = path(1, t, grid[best : best + 1], coefs[:, best], tolerance)[:, 0]
        return time.thread_time() - start, grid[best], v

    def scikit_learn(self, part, t, grid, start, tolerance):
        z, y = self.parts[part]
        _, coefs, _ = lasso_path(
            z, y[:, t].copy(), alphas=grid, precompute=self.grams[part],
            Xy=self.crosses[part].T[t].copy(), coef_init=start, tol=tolerance, max_iter=100_000,
            copy_X=False, check_input=False,
        )  # fmt: skip
        return coefs

    def celer(self, part, t, grid, start, tolerance):
        z, y = self.parts[part]
        return celer_path(
            z, y[:, t].copy(), "lasso", alphas=grid, coef_init=start, tol=tolerance, max_iter=200
        )[1]

    def skglm(self, part, t, grid, start, tolerance):
        z, y = self.parts[part]
        datafit, solver = Quadratic(), AndersonCD(tol=tolerance, fit_intercept=False, max_iter=200)
        target = y[:, t].copy()
        datafit.initialize(z, target)
        v = np.zeros(z.shape[1]) if start is None else start.copy()
        coefs = []
        for penalty in grid:
            fitted = z @ v
            v = solver.solve(z, target, datafit, L1(penalty), v, fitted)[0]
            coefs.append(v.copy())
        return np.array(coefs).T


def largest_penalty(peers: Peers, t: int) -> float:
    return abs(peers.crosses[1][:, t]).max() / len(peers.parts[1][1])


def compare(size: str, sample_size: int, noise: float, only: list[str]) -> None:
    models, examples, targets = map(int, size.split("x"))
    cores = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, models, examples, targets, noise)
        command = [sys.executable, __file__, "--ours", name, str(examples)]
        result = json.loads(
            subprocess.run(command, capture_output=True, check=True, text=True).stdout
        )
        masks, margins = read_data(folder, examples)
        fit = datamodels.Datamodels.load(folder / "fit.npz")
        sample = np.linspace(0, targets - 1, sample_size).astype(int)
        peers = Peers(masks, margins, sample)
    scale = masks[:].std(0)
    gaps = [peers.gap(i, fit.weights[t] * scale, fit.lambdas[t]) for i, t in enumerate(sample)]
    nonzero = (fit.weights != 0).sum(1).mean()
    print(
        f"\n{size}, {nonzero:.0f} non-zero weights per target, peak {result['peak']:.2f} GiB, "
        f"wall {result['seconds']:.2f} s on {cores} cores"
    )
    print(f"{'solver':28} {'CPU s':>9} {'ratio':>7} {'worst gap':>10}  tolerance")
    print(
        f"{'ours':28} {result['cpu']:9.2f} {1:7.1f} {max(gaps):10.1e}  (all: {fit.gap.max():.1e})"
    )
    ends = {}
    gram_seconds = peers.sum_grams() if "scikit_learn" in only else 0.0
    for name in only:
        path = getattr(peers, name)
        path(0, 0, np.array([largest_penalty(peers, 0)]), None, 1e-3)  # compiles
        for stopped in (False, True):
            for tolerance in (1e-4, 1e-5, 1e-6, 1e-7):
                seconds, worst = 0.0, 0.0
                for i in range(sample_size):
                    grid = largest_penalty(peers, i) * MIN_RATIO ** (np.arange(PATH) / (PATH - 1))
                    grid = grid[: ends[i] if stopped else None]
                    with threadpool_limits(1):  # threads that wait for others burn CPU time
                        took, penalty, v = peers.job(path, i, grid, tolerance)
                    ends[i] = np.searchsorted(-grid, -penalty) + 3
                    seconds += took
                    worst = max(worst, peers.gap(i, v, penalty))
                    if worst > GAP:
                        break
                if worst <= GAP:
                    break
            total = seconds / sample_size * targets
            if name == "scikit_learn":
                total += gram_seconds
            label = f"{name}{', stopped' if stopped else ''}"
            print(
                f"{label:28} {total:9.1f} {total / result['cpu']:7.1f} {worst:10.1e}  "
                f"{tolerance:.0e}", flush=True,
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES.split())
    parser.add_argument("--sample", type=int, default=4, help="targets that the peers solve")
    parser.add_argument("--noise", type=float, default=1.0, help="in sd of the planted signal")
    parser.add_argument("--peers", nargs="*", default=["scikit_learn", "celer", "skglm"])
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        ours(Path(arguments.ours[0]), int(arguments.ours[1]))
        return
    print(f"{torch.get_num_threads()} cores")
    for size in arguments.sizes:
        compare(size, arguments.sample, arguments.noise, arguments.peers)


if __name__ == "__main__":
    main()
