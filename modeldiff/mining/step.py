"""The rule's step: the features behind a pair's proved differences, as a table and pictures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, as_float
from modeldiff.mining import search
from modeldiff.mining.evidence import LEVEL, STRENGTHS, Evidence, Moved, evidence, measure
from modeldiff.mining.feature import KINDS, Feature
from modeldiff.mining.heat import heat
from modeldiff.mining.pictures import COLUMNS
from modeldiff.mining.sides import Side, finite
from modeldiff.mining.split import Split, split
from modeldiff.proof.effect import PROOF_LEVEL, larger_effect
from modeldiff.proof.step import read_proposals, read_table
from modeldiff.study import stages
from modeldiff.training.shard import load_full

if TYPE_CHECKING:
    from modeldiff.study import Study
    from modeldiff.training.trained_models import TrainedModels

Pair = tuple[str, str]
SHOWN = 4  # images of a direction that heat maps are kept of, and images to show a feature on


@dataclass(frozen=True)
class Proved:
    """A proposal that retraining has proved, turned so that the algorithm that follows it further
    learns from training examples of large weight.

    number: from 1. weights: float64 [n_train].
    """

    number: int
    mover: str
    other: str
    weights: np.ndarray


def proved(study: "Study", pair: Pair, proposals: str | Path, proof: str | Path) -> list[Proved]:
    """Those of a pair, in the order of `proposals`; proof: what all rounds say of them."""
    given = read_proposals(study, pair, proposals)
    table = read_table(proof, study.key("proof", *pair))
    found = []
    for number, (proposal, row) in enumerate(zip(given, table, strict=False), start=1):
        if row["adjusted"] <= PROOF_LEVEL:
            followed = larger_effect(row)
            first, second = pair if followed == row["a"] else reversed(pair)
            turned = followed < 0 and not proposal.group
            weights = -proposal.examples if turned else proposal.examples
            found.append(Proved(number=number, mover=first, other=second, weights=weights))
    return found


def write(
    study: "Study",
    pair: Pair,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    proposals: str | Path,
    proof: str | Path,
    output: str | Path,
    *,
    device: str,
) -> None:
    """Mine every proved proposal of `pair` and write what is found.

    checkpoints: models of both on all training images. output: .csv of `COLUMNS`, a row for each
    feature and strength, those at strength 1 being what is proved; beside it `mined.npz`:
    `mask` float32 [features x height x width], `picture` float32 [features x channels x height x
    width]; of each direction `heat` float32 [directions x height x width] and `heats` [directions x
    shown x height x width], of its strongest training images `sources` int64 [directions x shown],
    -1 where there are fewer; `shown` int64 [directions x shown], test images to show features on.
    Raises UserError if too few models have finite outputs.
    """
    directions = proved(study, pair, proposals, proof)
    models = _Models(study, data, checkpoints, device)
    level = LEVEL / max(1, len(KINDS) * len(directions))
    rows: list[dict[str, Any]] = []
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in _shapes(data)}
    for direction in directions:
        mined = _mined(study, pair, data, models, direction, level)
        rows += mined.rows
        for name, values in mined.arrays.items():
            arrays[name].extend(values)
    key = study.key("mined", *pair)
    with artifacts.write(stages.beside(output, "features"), key) as file:
        artifacts.write_arrays(file, _stacked(arrays, data))
    with artifacts.write(output, key) as file:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(file, index=False, na_rep="nan")


@dataclass(frozen=True)
class _Models:
    """Models on all training images: the first of each find, the others prove."""

    study: "Study"
    data: Dataset
    checkpoints: Sequence[str | Path]
    device: str

    def finding(self, name: str, images: np.ndarray) -> Side:
        """Those of an algorithm that find, without any whose outputs are not finite."""
        loaded = load_full(
            self.study,
            name,
            self.data,
            self._of(name),
            device=self.device,
            first=self.study.mine.models,
        )
        groups = finite(loaded, images)
        if not groups:
            raise UserError(
                f"algorithms.{name}: the first {self.study.mine.models} models trained on all data "
                "have diverged, so that no feature can be found; lower its learning rate"
            )
        return Side(groups)

    def proving(self, name: str, images: np.ndarray) -> Iterator["TrainedModels"]:
        """Those of an algorithm that prove, a file at a time."""
        skip = self.study.mine.models
        for group in load_full(
            self.study, name, self.data, self._of(name), device=self.device, skip=skip
        ):
            yield from finite([group], images)

    def _of(self, name: str) -> list[str | Path]:
        return artifacts.made_for(self.checkpoints, self.study.key("full", name))


@dataclass(frozen=True)
class _Mined:
    """Of a direction: rows of the table, and what is appended to each array."""

    rows: list[dict[str, Any]]
    arrays: dict[str, list[np.ndarray]]


def _mined(
    study: "Study", pair: Pair, data: Dataset, models: _Models, direction: Proved, level: float
) -> _Mined:
    """Find, choose and prove the features of a direction."""
    of = search.direction_of(direction.weights, data.train.labels)
    identity = (study.seed, *pair, direction.number)
    images = split(
        data.targets, data.verification, data.test.labels, of.label, study.mine.images, *identity
    )
    if not (len(images.find) and len(images.choose) and len(images.prove)):
        what = f"there are too few test images of other classes than {data.classes[of.label]}"
        raise UserError(f"study {study.name}: verification.mine: {what}; use more test images")
    to_find = as_float(data.test.images[images.find])
    to_choose = as_float(data.test.images[images.choose])
    to_prove = as_float(data.test.images[images.prove])
    sources = as_float(data.train.images[of.sources])
    mover = models.finding(direction.mover, to_find)
    other = models.finding(direction.other, to_find)
    mined = search.mine(
        mover,
        other,
        of,
        sources,
        to_find,
        to_choose,
        most_crops=study.mine.crops,
        steps=study.mine.steps,
        identity=identity,
    )
    heats = heat(mover, other, sources, to_find.mean(0), of.label).astype(np.float32)
    changes = [search.change(feature, to_choose) for feature in mined.features]
    on_mover = measure(
        models.proving(direction.mover, to_prove), mined.features, to_prove, of.label
    )
    on_other = measure(
        models.proving(direction.other, to_prove), mined.features, to_prove, of.label
    )
    rows = _rows(direction, data.classes[of.label], mined, changes, (on_mover, on_other), level)
    return _Mined(rows=rows, arrays=_arrays(mined.features, heats, of.sources, images))


def _rows(
    direction: Proved,
    label: str,
    mined: search.Mined,
    changes: Sequence[float],
    sides: tuple[Moved, Moved],
    level: float,
) -> list[dict[str, Any]]:
    """Rows of the table: each feature at each strength."""
    last = STRENGTHS.index(1.0)
    at_full = [evidence(*sides, place, last, level) for place in range(len(KINDS))]
    rows = []
    for place, feature in enumerate(mined.features):
        common = {
            "proposal": direction.number,
            "mover": direction.mover,
            "other": direction.other,
            "class": label,
            "tried": mined.tried[place],
            "change": changes[place],
            "found": int(at_full[place].found),
            "attempts": round(LEVEL / level),
            "models_mover": sides[0].models,
            "models_other": sides[1].models,
            "images": sides[0].by_image.shape[2],
        }
        for number, strength in enumerate(STRENGTHS):
            said = _effects(evidence(*sides, place, number, level))
            rows.append(common | _description(feature) | {"strength": strength} | said)
    return rows


def _description(feature: Feature) -> dict[str, Any]:
    """What a feature is, but for its pictures."""
    setting = feature.setting
    return {
        "kind": feature.kind,
        "anywhere": int(feature.anywhere),
        "source": -1 if feature.source is None else feature.source,
        "edit": setting.part.name if setting else "",
        "options": json.dumps(setting.part.options) if setting else "",
        "edit_strength": setting.strength if setting else 0.0,
    }


def _effects(said: Evidence) -> dict[str, float]:
    mover = said.mover.columns("mover_effect", "mover_low", "mover_high")
    other = said.other.columns("other_effect", "other_low", "other_high")
    return mover | other | said.difference.columns("difference", "low", "high")


def _arrays(
    features: Sequence[Feature], heats: np.ndarray, sources: np.ndarray, images: Split
) -> dict[str, list[np.ndarray]]:
    """What a direction adds to each array."""
    kept = np.zeros((SHOWN, *heats.shape[1:]), np.float32)
    kept[: len(heats)] = heats[:SHOWN]
    return {
        "mask": [feature.mask for feature in features],
        "picture": [feature.picture for feature in features],
        "heat": [heats.mean(0)],
        "heats": [kept],
        "sources": [_padded(sources)],
        "shown": [_padded(images.prove)],
    }


def _padded(numbers: np.ndarray) -> np.ndarray:
    padded = np.full(SHOWN, -1, np.int64)
    padded[: len(numbers)] = numbers[:SHOWN]
    return padded


def _shapes(data: Dataset) -> dict[str, tuple[int, ...]]:
    """The arrays that are written, and the shape of what they hold of each feature or direction."""
    shape = data.train.images.shape[1:]
    return {
        "mask": shape[1:],
        "picture": shape,
        "heat": shape[1:],
        "heats": (SHOWN, *shape[1:]),
        "sources": (SHOWN,),
        "shown": (SHOWN,),
    }


def _stacked(arrays: dict[str, list[np.ndarray]], data: Dataset) -> dict[str, np.ndarray]:
    """Each as one array, of length 0 if there are no directions."""
    stacked = {}
    for name, shape in _shapes(data).items():
        kind = np.int64 if name in ("sources", "shown") else np.float32
        stacked[name] = np.array(arrays[name], kind).reshape(-1, *shape)
    return stacked
