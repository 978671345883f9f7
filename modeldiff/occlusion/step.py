"""The rule's step: the pieces of shown examples that set two recipes apart, as one file.

A piece is marked if the margin under A less that under B moves without it: on this example, over
models trained on all data. Nothing is asked of the models but their outputs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.stats import ttest_ind_from_stats

from modeldiff.comparison import WAYS, ends
from modeldiff.core import artifacts
from modeldiff.dataset import Dataset
from modeldiff.occlusion.pieces import Piece, Pieces
from modeldiff.proof.step import read_proposals
from modeldiff.study.kinds import IMAGE
from modeldiff.training.shard import load_full, margin

if TYPE_CHECKING:
    from modeldiff.study import Study
    from modeldiff.training.trained_models import TrainedModels

Pair = tuple[str, str]
SHOWN = 12  # examples at each end of a direction or proposal, on the page
MARKED = 3  # pieces of an example, at most
LEAST = 0.5  # of what the strongest piece of the example does
ROUNDING = 1e-4  # of margins
LEVEL = 0.05  # chance that any piece of an example is marked that does nothing


class Mark(NamedTuple):
    """A piece that sets two recipes apart; how far the margin falls without it, under either."""

    piece: Piece
    a: float
    b: float


Marks = dict[tuple[str, int], tuple[Mark, ...]]  # by split and example, the strongest first


def write(
    study: "Study",
    pair: Pair,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    compared: str | Path,
    output: str | Path,
    *,
    proposals: str | Path | None = None,
    device: str,
) -> None:
    """Write which pieces of the examples of directions and proposals set `pair` apart.

    checkpoints: models of both on all training examples, of which the first
    `Study.occlusion_models` are used. compared: the pair's comparison; proposals: of the pair, if
    there are any. output: .npz, a row for each marked piece, those of an example together: `train`
    bool, whether it is a training example; `example`, `start`, `stop` int64; `a`, `b` float64, how
    far the margin falls without it. No rows for images.
    """
    rows: list[tuple[bool, int, Mark]] = []
    if data.kind is not IMAGE:
        sides = [_models(study, name, data, checkpoints, device) for name in pair]
        pieces = Pieces(data)
        shown = _shown(study, pair, data, compared, proposals)
        for split, examples in (("train", shown["train"]), ("test", shown["test"])):
            held = getattr(data, split)
            for example in sorted(examples):
                given = held.images[example], int(held.labels[example])
                for mark in marks(sides, pieces, *given, study.training.margin):
                    rows.append((split == "train", example, mark))
    arrays = {
        "train": np.array([train for train, _, _ in rows], bool),
        "example": np.array([example for _, example, _ in rows], np.int64),
        "start": np.array([mark.piece.start for *_, mark in rows], np.int64),
        "stop": np.array([mark.piece.stop for *_, mark in rows], np.int64),
        "a": np.array([mark.a for *_, mark in rows]),
        "b": np.array([mark.b for *_, mark in rows]),
    }
    with artifacts.write(output, study.key("occlusion", *pair)) as file:
        artifacts.write_arrays(file, arrays)


def read(study: "Study", pair: Pair, path: str | Path) -> Marks:
    """What `write` wrote, by split, "train" or "test", and example."""
    arrays = artifacts.arrays(path, study.key("occlusion", *pair))
    names = ("train", "example", "start", "stop", "a", "b")
    with artifacts.reading(arrays.path, "file of marks"):
        columns = [arrays[name].tolist() for name in names]
        rows = list(zip(*columns, strict=True))
    found: Marks = {}
    for train, example, start, stop, a, b in rows:
        whose = ("train" if train else "test", example)
        found[whose] = (*found.get(whose, ()), Mark(Piece(start, stop), a, b))
    return found


def marks(
    sides: Sequence[Sequence["TrainedModels"]],
    pieces: Pieces,
    example: np.ndarray,
    label: int,
    kind: str,
) -> list[Mark]:
    """The pieces of an example of class `label` that surely set two recipes apart, strongest first.

    sides: trained models of both, in groups. kind: of margin. A piece counts if Welch's test over
    models, corrected for all pieces of the example, says so; none does with one model. Where the
    models of either recipe do not vary, every difference is sure.
    """
    found, without = pieces.without_each(example, label)
    if not found:
        return []
    shown = np.concatenate([example[None], without])
    falls_a, falls_b = (_falls(groups, shown, label, kind) for groups in sides)
    if min(len(falls_a), len(falls_b)) < 2:
        return []
    a = falls_a.mean(0)
    b = falls_b.mean(0)
    size = np.abs(a - b)
    sure = _p_values(falls_a, falls_b) <= LEVEL / len(found)
    large = size >= max(LEAST * size.max(), ROUNDING)
    chosen = [i for i in np.argsort(-size, kind="stable").tolist() if sure[i] and large[i]]
    return [Mark(found[i], float(a[i]), float(b[i])) for i in chosen[:MARKED]]


def _falls(
    groups: Sequence["TrainedModels"], shown: np.ndarray, label: int, kind: str
) -> np.ndarray:
    """How far the margin of the first is above those of the others: float64 [models x others].

    Models whose outputs are not finite are left out.
    """
    labels = torch.full((len(shown),), label)
    rows = []
    for trained in groups:
        logits = trained.logits(shown).cpu().double()
        margins = margin(logits, labels, kind).numpy()
        rows.append(margins[:, :1] - margins[:, 1:])
    falls = np.concatenate(rows)
    return falls[np.isfinite(falls).all(1)]


def _p_values(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of Welch's test that the means of columns are the same, float64 [columns]; 0 where neither
    varies.
    """
    of_a = a.mean(0), a.std(0, ddof=1), len(a)
    of_b = b.mean(0), b.std(0, ddof=1), len(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        tested = ttest_ind_from_stats(*of_a, *of_b, equal_var=False)
    return np.where((of_a[1] > 0) | (of_b[1] > 0), tested.pvalue, 0.0)


def _models(
    study: "Study", name: str, data: Dataset, checkpoints: Sequence[str | Path], device: str
) -> list["TrainedModels"]:
    """The first models of an algorithm on all training examples."""
    own = artifacts.made_for(checkpoints, study.key("full", name))
    first = study.occlusion_models(name)
    return list(load_full(study, name, data, own, device=device, first=first))


def _shown(
    study: "Study",
    pair: Pair,
    data: Dataset,
    compared: str | Path,
    proposals: str | Path | None,
) -> dict[str, set[int]]:
    """The examples at both ends of directions and proposals, without those that chance explains."""
    found: dict[str, set[int]] = {"train": set(), "test": set()}
    arrays = artifacts.arrays(compared, study.key("comparison", *pair))
    for way in WAYS:
        chance = np.isfinite(arrays[f"{way}.p_value"]) & ~arrays[f"{way}.significant"]
        for split in found:
            for end in ("high", "low"):
                examples = arrays[f"{way}.{split}_{end}"][~chance, :SHOWN]
                found[split].update(examples.ravel().tolist())
    for proposal in read_proposals(study, pair, proposals) if proposals else ():
        for examples in ends(proposal.examples, SHOWN):
            found["train"].update(examples.tolist())
        for targets in ends(proposal.targets, SHOWN):
            found["test"].update(data.targets[targets].tolist())
    return found
