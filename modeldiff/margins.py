"""Margins of all models of an algorithm as one memory-mapped array."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from modeldiff import dataset, files
from modeldiff.errors import Damaged

MISSING = "missing: "  # so begins the cause of a model that was never trained
SELECTION = (
    "models that failed are left out after their outcome was seen: all figures are about models "
    "that learned, and say nothing of the others"
)


def reasons(causes: Iterable[str]) -> dict[str, int]:
    """How many models failed for each reason, the most frequent first: `{"diverged": 2}`.

    causes: of each model, as a record has them; a reason is what stands before the colon.
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
    Raises Damaged if shards are damaged: it names and removes them all, so that the next run
    trains only them again.
    """
    damaged = []
    for path in paths:
        try:
            files.verify(path, shard_key)
            if data is not None:
                dataset.check_trained_on(path, data)
        except Damaged as error:
            damaged.append(str(error))
            Path(path).unlink(missing_ok=True)
    if damaged:
        raise Damaged(
            f"{'; '.join(damaged)}: removed; run the same command again to train only "
            f"{'it' if len(damaged) == 1 else f'these {len(damaged)} shards'} again"
        )
    records = [files.record(path) for path in paths]
    models = sum(stop - start for start, stop in (r["models"] for r in records))
    failed = {model: cause for r in records for model, cause in r["failed"].items()}
    n_targets = np.load(paths[0], mmap_mode="r", allow_pickle=False).shape[1]
    header = {"descr": "<f4", "fortran_order": False, "shape": (models, n_targets)}
    facts = {"failed": failed, "margin": records[0]["margin"]}
    if data is not None:
        facts["data"] = data
    with files.artefact(output, key, **facts) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for path in paths:
            file.write(np.load(path, allow_pickle=False).astype("<f4", copy=False).tobytes())


def read(path: str | Path, key: str) -> tuple[np.ndarray, dict[str, str]]:
    """The gathered margins, memory-mapped float32 [models x targets], and the failed models."""
    files.verify(path, key)
    return np.load(path, mmap_mode="r", allow_pickle=False), files.record(path)["failed"]
