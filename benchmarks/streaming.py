"""Datamodels by multiplicative weights beside the lasso and ridge, as models arrive.

LDS on 300 models that no fit has seen, from the first 25 to 1,500 models of the embedded study's
recipe (digits, a planted watermark), for every fourth target; and the peak memory of fits to noise.
"The papers' bound" is the same algorithm with residuals divided by a bound of all that there could
be, as in the papers, instead of clipped.

    python benchmarks/streaming.py --output docs/streaming.md     # about 10 CPU minutes
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import planted
import torch
from kept_rows import KeptRows, Row, machine, put_between_marks
from proof import margins_of
from torch import Tensor

from modeldiff import datamodels, subsets
from modeldiff.datamodels import multiplicative_weights
from modeldiff.datamodels.evaluation import spearman
from modeldiff.training.engine import Member

ROWS = Path(__file__).parents[1] / "docs/streaming.jsonl"
MODELS = (25, 50, 75, 150, 300, 500, 750, 1500)
HELD_OUT = 300
EVERY = 4  # targets
STREAMED = "multiplicative_weights"
METHODS = {
    STREAMED: "multiplicative weights",
    "papers": "the same, the papers' bound",
    "lasso": "lasso",
    "ridge": "ridge",
    "difference": "difference of means",
}
SIZES = ((500, 1200), (2000, 1200), (8000, 1200), (500, 5000))  # models, training images
TARGETS = 100


class PapersBound(multiplicative_weights.Learner):
    """Residuals over the largest that there could be, for margins of 4 standard deviations."""

    def _bounded(self, residuals: Tensor) -> Tensor:
        largest = self.norms[:, None] + 4
        return (residuals / largest).clamp(-1, 1)


def curve(seed: int) -> list[Row]:
    """LDS and CPU seconds of each method by number of models."""
    case = planted.case("watermark", 12, seed, ("plain", "masked"))
    masks = subsets.draw(len(case.train.labels), range(MODELS[-1] + HELD_OUT), 0.5, seed)
    members = [Member((seed, "plain", m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
    margins = margins_of(case, "plain", members, 125)[:, ::EVERY]
    truth = margins[MODELS[-1] :]
    found = []
    for models in MODELS:
        for method in METHODS:
            learner = PapersBound if method == "papers" else multiplicative_weights.Learner
            estimator = STREAMED if method == "papers" else method
            with mock.patch.object(multiplicative_weights, "Learner", learner):
                start = time.process_time()
                fit = datamodels.fit(masks[:models], margins[:models], estimator=estimator)
                seconds = time.process_time() - start
            lds = float(spearman(fit.predict(masks[MODELS[-1] :]), truth).mean())
            found.append({"method": method, "models": models, "lds": lds, "seconds": seconds})
    return found


def memory(estimator: str, models: int, examples: int) -> Row:
    """Memory, MiB at the peak more than before, and CPU seconds of a fit to noise."""
    command = [sys.executable, __file__, "--fit", estimator, str(models), str(examples)]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    row: Row = json.loads(told)
    return row


def fit_noise(estimator: str, models: int, examples: int) -> None:
    """Fit in this process, of its own so that its peak memory can be told; print one JSON line."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    packed = random.integers(0, 256, (models, examples // 8), np.uint8)
    masks = subsets.Masks(packed, examples)
    margins = random.normal(size=(models, TARGETS)).astype(np.float32)
    datamodels.fit(masks[:50][:, :20], margins[:50, :2], estimator=estimator)  # imports, compiles
    before = peak()
    start = time.process_time()
    datamodels.fit(masks, margins, estimator=estimator)
    print(json.dumps({"seconds": time.process_time() - start, "mib": peak() - before}))


def peak() -> float:
    """Of this process so far, MiB. Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def curve_table(rows: list[Row]) -> list[str]:
    """Markdown: LDS by models and method."""
    found = pd.DataFrame([one for row in rows if row["kind"] == "curve" for one in row["found"]])
    seeds = sum(row["kind"] == "curve" for row in rows)
    lines = [
        f"LDS on {HELD_OUT} other models, mean of {seeds} seeds (least, most); CPU seconds of the "
        "fit in italics.",
        "",
        f"| models | {' | '.join(METHODS.values())} |",
        f"|---|{'---|' * len(METHODS)}",
    ]
    for models in MODELS:
        cells = []
        for method in METHODS:
            some = found[(found.models == models) & (found.method == method)]
            cells.append(
                f"{some.lds.mean():.2f} ({some.lds.min():.2f}, {some.lds.max():.2f}) "
                f"*{some.seconds.median():.1f}*"
            )
        lines.append(f"| {models:,} | {' | '.join(cells)} |")
    return lines


def memory_table(rows: list[Row]) -> list[str]:
    """Markdown: memory and time by size and method."""
    lines = [
        f"| models | training images | {TARGETS} targets by | memory, MiB | CPU seconds |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row["kind"] == "memory":
            lines.append(
                f"| {row['models']:,} | {row['examples']:,} | {METHODS[row['method']]} | "
                f"{row['mib']:.0f} | {row['seconds']:.1f} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit:
        estimator, models, examples = options.fit
        fit_noise(estimator, int(models), int(examples))
        return
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    warm = np.random.default_rng(0).normal(size=(60, 30))
    datamodels.fit(warm > 0, warm, estimator="lasso")  # its code is compiled at the first call
    curves = [{"kind": "curve", "seed": seed} for seed in range(options.seeds)]
    for key in kept.missing(curves):
        kept.add(key | {"found": curve(key["seed"])})
    sizes = []
    for models, examples in SIZES:
        for method in (STREAMED, "lasso", "ridge"):
            size = {"kind": "memory", "models": models, "examples": examples}
            sizes.append(size | {"method": method})
    for key in kept.missing(sizes):
        kept.add(key | memory(key["method"], key["models"], key["examples"]))
    if options.output:
        put_between_marks(options.output, "curve", [*curve_table(kept.rows), "", f"{machine()}."])
        put_between_marks(options.output, "memory", memory_table(kept.rows))


if __name__ == "__main__":
    main()
