"""Margins of all models of an algorithm as one memory-mapped array."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from modeldiff import dataset
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact

SHARD = re.compile(r"\d+-\d+\.npy")
FAR = 6  # robust standard deviations
MISSING = "missing: "  # start of the cause of a model that was never trained
SELECTION = (
    "models that failed are left out after their outcome was seen: all figures are about models "
    "that learned, and say nothing about the others"
)


def reasons(causes: Iterable[str]) -> dict[str, int]:
    """How many models failed for each reason, the most frequent first: `{"diverged": 2}`.

    causes: of each model, as in a record; a reason is the part before the colon.
    """
    counts = Counter(cause.partition(":")[0] for cause in causes)
    return dict(counts.most_common())


def reasons_in_words(counted: dict[str, int]) -> str:
    """`2 diverged, 1 no better than chance`."""
    return ", ".join(f"{count} {reason}" for reason, count in counted.items())


def gather(
    paths: Sequence[str | Path],
    shard_key: str,
    output: str | Path,
    key: str,
    data: str | None = None,
) -> None:
    """Write the rows of all shards, in order, into one .npy file.

    paths: shards, float32 [models x targets] each; data: digest of the data that they must have
    been trained on, None if that is not known. Only one shard is in memory at a time, and
    rows are written, not mapped: resident memory does not grow with the file.
    Models far below the others (`far_below`) count as failed, too: they become rows of NaN and are
    listed with the cause. Each shard is read twice.
    Raises CorruptArtifact if shards are damaged: it names and removes them all, so that the next
    run trains only them again. A file that is neither recorded nor named like a shard may be the
    user's own: it is named, and nothing is removed.
    """
    for path in paths:
        if not SHARD.fullmatch(Path(path).name):
            artifacts.record(path)
    damaged = []
    for path in paths:
        try:
            artifacts.array(path, shard_key, kind="f", dimensions=2)
            if data is not None:
                dataset.check_trained_on(path, data)
        except CorruptArtifact as error:
            damaged.append(str(error))
            Path(path).unlink(missing_ok=True)
    if damaged:
        some = "a damaged shard was" if len(damaged) == 1 else f"{len(damaged)} damaged shards were"
        it = "it" if len(damaged) == 1 else "them"
        raise CorruptArtifact(
            f"{some} removed; run the same command again to train only {it} again",
            "\n".join(damaged),
        )
    n_targets = np.load(paths[0], mmap_mode="r", allow_pickle=False).shape[1]
    records = [artifacts.record(path) for path in paths]
    models = sum(stop - start for start, stop in (r["models"] for r in records))
    failed = {model: cause for r in records for model, cause in r["failed"].items()}
    shares = np.concatenate([_shares(_rows(path)) for path in paths])
    order = np.concatenate([np.arange(*r["models"]) for r in records])
    low = far_below(shares, n_targets)
    failed |= {str(order[row]): cause for row, cause in low.items()}
    header = {"descr": "<f4", "fortran_order": False, "shape": (models, n_targets)}
    facts = {"failed": failed, "margin": records[0]["margin"]}
    if data is not None:
        facts["data"] = data
    with artifacts.write(output, key, **facts) as file:
        np.lib.format.write_array_header_2_0(file, header)
        written = 0
        for path in paths:
            rows = _rows(path)
            left_out = [row - written for row in low if written <= row < written + len(rows)]
            rows[left_out] = np.nan
            written += len(rows)
            file.write(rows.tobytes())


def far_below(shares: np.ndarray, n_targets: int) -> dict[int, str]:
    """The models that learned far less than the others, and why they are left out.

    shares: float [models], the share of each model's margins that are above 0; NaN for models that
    failed. A half-failed model adds nothing but noise to all later steps, and a few of them hide
    every difference. It is a model whose log-odds of a margin above 0 are more than `FAR` standard
    deviations below the median of its algorithm. Log-odds are used because shares near 1 spread
    far more below their median than above it. The deviation is estimated on the better half (its
    median distance to the median, times 1.4826 as for a normal distribution), which no failed
    model changes, and is at least what drawing the targets alone would give. Shares are those of
    Agresti & Coull (1998), never 0 or 1.
    """
    finished = shares[np.isfinite(shares)]
    if not len(finished):
        return {}
    log_odds = logit((shares * n_targets + 2) / (n_targets + 4))
    typical = float(np.nanmedian(log_odds))
    above = log_odds[log_odds >= typical] - typical
    spread = 1.4826 * float(np.median(above))
    share = float(expit(typical))
    drawn = 1 / math.sqrt(share * (1 - share) * n_targets)
    limit = typical - FAR * max(spread, drawn)
    median = float(np.median(finished))
    return {
        int(row): (
            f"far below the others: {shares[row]:.1%} of margins above 0, median {median:.1%}"
        )
        for row in np.flatnonzero(log_odds < limit)
    }


def _rows(path: str | Path) -> np.ndarray:
    rows: np.ndarray = np.load(path, allow_pickle=False).astype("<f4", copy=False)
    return rows


def _shares(rows: np.ndarray) -> np.ndarray:
    """The share of each model's margins above 0, float64 [models]; NaN if it failed."""
    return np.where(np.isnan(rows).any(1), np.nan, (rows > 0).mean(1))


def read(path: str | Path, key: str) -> tuple[np.ndarray, dict[str, str]]:
    """The gathered margins, memory-mapped float32 [models x targets], and the failed models."""
    rows = artifacts.array(path, key, kind="f", dimensions=2)
    return rows, artifacts.record(path)["failed"]
