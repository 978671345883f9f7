"""Margins of all models of an algorithm as one memory-mapped array."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from modeldiff import dataset
from modeldiff.core import arguments, artifacts
from modeldiff.core.errors import CorruptArtifact, UserError, described

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
    counts: Counter[str] = Counter()
    for cause in causes:
        reason, _, _ = cause.partition(":")
        counts[reason] += 1
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
    if not paths:
        raise UserError("paths: are none; must be those of shards of margins")
    for path in paths:
        if not SHARD.fullmatch(Path(path).name):
            artifacts.record(path)
    _remove_damaged(paths, shard_key, data)
    n_targets = np.load(paths[0], mmap_mode="r", allow_pickle=False).shape[1]
    models: list[int] = []  # of each row
    failed: dict[str, str] = {}
    shares = []
    for path in paths:
        record = artifacts.record(path)
        models += range(*record["models"])
        failed |= record["failed"]
        shares.append(_shares(_rows(path)))
    all_shares = np.concatenate(shares)
    low = far_below(all_shares, n_targets)
    for row, cause in low.items():
        failed[str(models[row])] = cause
    is_low = np.isin(np.arange(len(all_shares)), list(low))
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(models), n_targets)}
    facts = {"failed": failed, "margin": artifacts.record(paths[0])["margin"]}
    if data is not None:
        facts["data"] = data
    with artifacts.write(output, key, **facts) as file:
        np.lib.format.write_array_header_2_0(file, header)
        written = 0
        for path in paths:
            rows = _rows(path)
            rows[is_low[written : written + len(rows)]] = np.nan
            written += len(rows)
            file.write(rows.tobytes())


def _remove_damaged(paths: Sequence[str | Path], key: str, data: str | None) -> None:
    """Remove all damaged shards; CorruptArtifact, which names them, if there are any."""
    damaged = []
    for path in paths:
        try:
            artifacts.array(path, key, kind="f", dimensions=2)
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
    from scipy.special import expit, logit

    arguments.whole("n_targets", n_targets, 1)
    if getattr(shares, "ndim", 0) != 1 or shares.dtype.kind != "f":
        raise UserError(f"shares: are {described(shares)}; must be float [models]")
    finished = shares[np.isfinite(shares)]
    if finished.min(initial=0) < 0 or finished.max(initial=0) > 1:
        raise UserError(f"shares: are {finished.min():.3g} to {finished.max():.3g}; must be 0 to 1")
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
    causes = {}
    for row in np.flatnonzero(log_odds < limit):
        seen = f"{shares[row]:.1%} of margins above 0, median {median:.1%}"
        causes[int(row)] = f"far below the others: {seen}"
    return causes


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
