"""The rule's step: checkpoints of all in, a table of what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset
from modeldiff.proof.effect import holm
from modeldiff.study import Algorithm, Study
from modeldiff.training.shard import load_full, margin
from modeldiff.unlearning.left import left

TEXTS = ("algorithm", "role", "method")
COLUMNS = (
    *TEXTS, "left", "low", "high", "p_value", "adjusted", "accuracy", "models", "failed",
)  # fmt: skip
BEFORE, NEVER, AFTER = "before", "never", "after"
FEWEST = 4  # models that learned the group, and models that never saw it


@dataclass(frozen=True)
class Asked:
    """Models of an algorithm: margins, float32 [models x targets], and of each the share of targets
    that it gets right, float64 [models].
    """

    margins: np.ndarray
    right: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Which models have finite margins: bool [models]."""
        finite: np.ndarray = np.isfinite(self.margins).all(1)
        return finite


def write(
    study: Study,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Write how much of the group's weight each algorithm that was to forget it has left.

    checkpoints: models of all algorithms on all training images, of which the first
    `unlearning.models` of each are asked. output: .csv of `COLUMNS`: a row for the algorithm before
    unlearning, one for that which never saw the group, then those that were to forget it, see
    `Left`. adjusted: the p-value corrected for all of these by Holm's method. accuracy: on the
    targets. failed: models whose margins are not finite, which are left out.
    Raises UserError if too few models are finite.
    """
    chosen = study.unlearning
    assert chosen is not None
    roles = {chosen.before: BEFORE, chosen.never: NEVER} | dict.fromkeys(study.unlearned, AFTER)
    asked = {}
    for name in roles:
        asked[name] = _asked(study, name, data, checkpoints, chosen.models, device)
    before = asked[chosen.before].margins
    never = asked[chosen.never].margins
    found = {name: left(before, never, asked[name].margins) for name in study.unlearned}
    adjusted = holm(np.array([one.p_value for one in found.values()]))
    rows = []
    for name, role in roles.items():
        rows.append({"algorithm": name, "role": role} | _described(study, name, asked[name]))
    for row, name, corrected in zip(rows[2:], found, adjusted, strict=True):
        one = found[name]
        row |= {"left": one.value, "low": one.low, "high": one.high}
        row |= {"p_value": one.p_value, "adjusted": corrected}
    with artifacts.write(output, study.key("unlearning")) as file:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(file, index=False, na_rep="nan")


def _asked(
    study: Study,
    name: str,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    most: int,
    device: str,
) -> Asked:
    """The first so many models of an algorithm, read some at a time."""
    images = data.test.images[data.targets]
    labels = torch.from_numpy(data.test.labels[data.targets])
    own = artifacts.made_for(checkpoints, study.key("full", name))
    rows = []
    right = []
    for trained in load_full(study, name, data, own, device=device, first=most):
        logits = trained.logits(images).cpu()
        rows.append(margin(logits, labels, study.training.margin).numpy())
        right.append((margin(logits, labels, "max") > 0).double().mean(1).numpy())
    return Asked(np.concatenate(rows), np.concatenate(right))


def _described(study: Study, name: str, asked: Asked) -> dict[str, Any]:
    """How an algorithm forgets, how good it is, and how many of its models are finite."""
    finite = asked.finite
    if name not in study.unlearned and finite.sum() < FEWEST:
        have = f"{finite.sum()} models trained on all data with finite margins"
        raise UserError(f"algorithms.{name}: has {have}; unlearning needs {FEWEST} or more")
    return {
        "method": _method(study.algorithms[name]),
        "accuracy": float(asked.right[finite].mean()) if finite.any() else np.nan,
        "models": int(finite.sum()),
        "failed": int((~finite).sum()),
    }


def _method(algorithm: Algorithm) -> str:
    """How an algorithm forgets, or what it never saw; empty of one that does neither."""
    if algorithm.without is not None:
        return f"without {algorithm.without}"
    if algorithm.finish is None:
        return ""
    return str(algorithm.finish.options.get("method", algorithm.finish.name))


def read(study: Study, path: str | Path) -> list[dict[str, Any]]:
    """The rows of what `write` wrote, by the names of `COLUMNS`."""
    verified = artifacts.verify(path, study.key("unlearning"))
    with artifacts.reading(path, "table of what is left"):
        table = pd.read_csv(verified, dtype=str, keep_default_na=False)[list(COLUMNS)]
        numbers = {column: float for column in COLUMNS if column not in TEXTS}
        counts = {"models": int, "failed": int}
        rows: list[dict[str, Any]] = table.astype(numbers | counts).to_dict("records")
    return rows
