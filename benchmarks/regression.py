"""Datamodel regression: ours beside scikit-learn, celer and skglm, in one run.

Every solver does the same job on the same data: for each target a path of 20 penalties down to
lambda_max / 100 on 90% of the models, the penalty with the smallest error on the other 10%, and
the fit on all models at it, to a relative duality gap of 1e-6 or less. The gap is measured for
all in the same way: in float64, from the masks. Peers solve a sample of the targets, and their time
is scaled to all targets. Times compared are CPU seconds over all threads, which other work on the
machine hardly disturbs: the ratio is that of wall times if every solver keeps all cores busy. Their
tolerance is the loosest of a few that reaches the gap on the sample. "Stopped" grants them what
ours does by itself: to end the path two points past the smallest held-out error.

    python benchmarks/regression.py --output docs/regression.md
    python benchmarks/regression.py --sizes 3000x1200x500:4 --growth   # 4 targets for the peers
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
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
from modeldiff.core import artifacts
from modeldiff.datamodels import regression
from modeldiff.datamodels.gram import Cross
from modeldiff.datamodels.gram_cache import Grams
from modeldiff.subsets import Masks

PATH, MIN_RATIO, GAP = 20, 0.01, 1e-6
SIZES = "1350x1200x450:45 3000x1200x500:25 9000x2500x800:8 20000x5000x1000:4"
GROWTH = "10000x2500x400 5000x2500x400 20000x2500x400 10000x1250x400 10000x5000x400 "
GROWTH += "10000x2500x200 10000x2500x800"
PEERS = ("scikit_learn", "celer", "skglm")
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


class Stages:
    """CPU seconds spent in each stage of a fit."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("X'X", "X'y", "path", "refit"), 0.0)
        for name, owner, call in (
            ("X'X", Grams, "of"),
            ("X'y", Cross, "of"),
            ("path", regression, "path_errors"),
            ("refit", regression, "refit"),
        ):
            setattr(owner, call, self._timed(name, getattr(owner, call)))

    def _timed(self, name: str, call: Callable) -> Callable:
        def timed(*arguments):
            start = time.process_time()
            result = call(*arguments)
            self.seconds[name] += time.process_time() - start
            return result

        return timed


def ours(folder: Path, examples: int) -> None:
    """Fit in this process, of its own so that its peak memory can be told; print one JSON line."""
    masks, margins = read_data(folder, examples)
    datamodels.fit(masks[:100][:, :50], margins[:100, :3])  # imports
    stages = Stages()
    start = np.array([time.perf_counter(), time.process_time()])
    fit = datamodels.fit(masks, margins, path=PATH, min_ratio=MIN_RATIO, tolerance=GAP)
    seconds, cpu = np.array([time.perf_counter(), time.process_time()]) - start
    fit.save(folder / "fit.npz")
    # Linux only; ru_maxrss would count what the parent held when it started this process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20  # from KiB
    print(json.dumps({"wall": seconds, "cpu": cpu, "peak": peak, "stages": stages.seconds}))


def run_ours(folder: Path, size: str, noise: float) -> tuple[dict, datamodels.Datamodels]:
    """Write the data of a size, and fit them in a process of its own."""
    models, examples, targets = map(int, size.split("x"))
    write_data(folder, models, examples, targets, noise)
    command = [sys.executable, __file__, "--ours", str(folder), str(examples)]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return json.loads(told), datamodels.Datamodels.load(folder / "fit.npz")


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


def measured_rates() -> tuple[float, float]:
    """Bytes per second of reading and writing memory, and float32 operations of a product."""
    a, x = torch.ones(1 << 27), torch.ones(2048, 2048)
    b, y = torch.empty_like(a), torch.empty_like(x)
    best = [np.inf, np.inf]
    for _ in range(5):
        for i, call in enumerate((lambda: b.copy_(a), lambda: torch.mm(x, x, out=y))):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return 2 * a.nbytes / best[0], 2 * len(x) ** 3 / best[1]


def floor(size: str, fit: datamodels.Datamodels, rates: tuple[float, float]) -> tuple[float, str]:
    """Seconds that the least work takes at the measured rates, and what most of them are.

    Products: half of X'X, and X'y, as float32 matrix products. Memory: for each point of the path
    that was visited, the 16-bit rows of the Gram matrix of as many columns as the solution has.
    """
    models, examples, targets = map(int, size.split("x"))
    points = np.isfinite(fit.path_gap).sum(1)
    read = (2 * examples * points * (fit.weights != 0).sum(1)).sum() / rates[0]
    products = (models * examples**2 + 2 * models * examples * targets) / rates[1]
    return read + products, "memory" if read > products else "arithmetic"


def compare(size: str, sample_size: int, noise: float, rates: tuple[float, float]) -> list[str]:
    """A row of the table for each solver."""
    targets, examples = int(size.split("x")[2]), int(size.split("x")[1])
    with tempfile.TemporaryDirectory() as name:
        result, fit = run_ours(Path(name), size, noise)
        masks, margins = read_data(Path(name), examples)
        sample = np.linspace(0, targets - 1, sample_size).astype(int)
        peers = Peers(masks, margins, sample)
    gaps = [
        peers.gap(i, fit.weights[t] * masks[:].std(0), fit.lambdas[t]) for i, t in enumerate(sample)
    ]
    least, kind = floor(size, fit, rates)
    stages = ", ".join(f"{k} {v:.2g}" for k, v in result["stages"].items())
    binds = max(result["stages"], key=result["stages"].get)
    rows = [
        f"| {size} | ours | {result['wall']:.2f} | {result['cpu']:.2f} | 1 | {max(gaps):.1e} (of "
        f"all {fit.gap.max():.1e}) | {result['peak']:.2f} | {least / result['wall']:.0%} ({kind}) "
        f"| {binds} ({stages}) |"
    ]
    gram_seconds = peers.sum_grams()
    for name in PEERS:
        path = getattr(peers, name)
        path(0, 0, np.array([largest_penalty(peers, 0)]), None, 1e-3)  # compiles
        ends, tolerances = [PATH] * sample_size, [1e-4, 1e-5, 1e-6, 1e-7]
        for label in (name, f"{name}, stopped"):
            for tolerance in tuple(tolerances):
                seconds, worst, next_ends = 0.0, 0.0, []
                for i, end in enumerate(ends):
                    grid = largest_penalty(peers, i) * MIN_RATIO ** (np.arange(PATH) / (PATH - 1))
                    with threadpool_limits(1):  # threads that wait for others burn CPU time
                        took, penalty, v = peers.job(path, i, grid[:end], tolerance)
                    next_ends.append(np.searchsorted(-grid, -penalty) + 3)
                    seconds += took
                    worst = max(worst, peers.gap(i, v, penalty))
                    if worst > GAP:
                        break
                if worst <= GAP:
                    break
                tolerances.remove(tolerance)
            ends = next_ends if len(next_ends) == sample_size else ends
            total = seconds / sample_size * targets
            total += gram_seconds if name == "scikit_learn" else 0
            missed = "" if worst <= GAP else " (missed)"
            rows.append(
                f"| | {label.replace('_', '-')} | | {total:.1f} | {total / result['cpu']:.1f} | "
                f"{worst:.1e}{missed} | | | |"
            )
            print(rows[-1], flush=True)
    return rows


def growth(sizes: list[str], noise: float) -> list[str]:
    """A row for each size: ours alone."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            result, fit = run_ours(Path(name), size, noise)
        told = f"{result['wall']:.2f} | {result['cpu']:.2f} | {fit.gap.max():.1e}"
        rows.append(f"| {size} | {told} | {result['peak']:.2f} |")
        print(rows[-1], flush=True)
    return rows


def page(rates: tuple[float, float], rows: list[str], grown: list[str]) -> str:
    versions = ", ".join(
        f"{p} {version(p)}" for p in ("torch", "numpy", "numba", "scikit-learn", "celer", "skglm")
    )
    made = artifacts.origin()
    return "\n".join([
        "# How fast the regression is", "",
        f"{made['made'][:10]}, {torch.get_num_threads()} cores of {made['hardware']['cpu']}, "
        f"Python {platform.python_version()}, {versions}. Measured here: {rates[0] / 1e9:.1f} GB/s "
        f"of memory, {rates[1] / 1e9:.0f} Gop/s in float32 products. Made by "
        "`python benchmarks/regression.py --output docs/regression.md`, whose head says what each "
        "solver does; one run of each.", "",
        "Times in seconds, memory in GiB. Peers solve a sample of the targets (the last number of "
        "a size in the script), scaled to all. Ratio: CPU seconds over ours. Floor: the products "
        "as float32 matrix products, and one reading of the Gram matrix's rows per target and "
        "point of its path, at the rates above, as a share of our wall time.", "",
        "| models x examples x targets | solver | wall | CPU | ratio | worst gap | peak | floor | "
        "most CPU seconds in |", "|---|---|---|---|---|---|---|---|---|", *rows, "",
        "## Growth", "", "Ours, one factor at a time.", "",
        "| models x examples x targets | wall | CPU | worst gap | peak |", "|---|---|---|---|---|",
        *grown, "",
        "## The paper's size", "",
        "50,000 examples x 100,000 models x 10,000 targets x 100 penalties has not been run; [what "
        "a GPU did\non smaller sizes](gpu.md) lets expect 18 minutes on an H200. `python "
        "benchmarks/regression_paper.py\n50000x100000x10000` is the run; a small one, on a CPU, is "
        "made by the tests.", "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", default=SIZES.split(), help="size:targets of peers")
    parser.add_argument("--growth", nargs="*", default=GROWTH.split())
    parser.add_argument("--noise", type=float, default=1.0, help="in sd of the planted signal")
    parser.add_argument("--output", type=Path, help="where the page goes")
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        ours(Path(arguments.ours[0]), int(arguments.ours[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        run_ours(
            Path(name), "1000x600x100", arguments.noise
        )  # compiles all kernels, once per machine
    rates, rows = measured_rates(), []
    for size in arguments.sizes:
        of, sample = size.split(":")
        rows += compare(of, int(sample), arguments.noise, rates)
    text = page(rates, rows, growth(arguments.growth, arguments.noise))
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
