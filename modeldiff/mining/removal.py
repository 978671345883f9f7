"""Does what was found go with the training images that a difference weighs most?

Models are trained without those, and as many without as many random others of the same classes. How
far the feature moves either says whether the algorithm has it from these images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.dataset import Dataset, as_float
from modeldiff.mining import pictures
from modeldiff.mining.evidence import LEVEL, Moved, evidence
from modeldiff.mining.feature import KINDS
from modeldiff.mining.pictures import MinedDirection
from modeldiff.mining.sides import Side
from modeldiff.mining.split import PROVING, split
from modeldiff.mining.step import Proved, proved
from modeldiff.proof.sets import strongest, with_and_without
from modeldiff.training import engine
from modeldiff.training.checkpoint import finish, resumable
from modeldiff.training.fit import Member
from modeldiff.training.shard import forgotten, seen
from modeldiff.training.trained_models import TrainedModels

if TYPE_CHECKING:
    from modeldiff.study import Study

Pair = tuple[str, str]
COLUMNS = (
    "proposal", "algorithm", "kind", "left_out",
    "random_effect", "random_low", "random_high", "group_effect", "group_low", "group_high",
    "fall", "low", "high", "models_random", "models_group", "images",
)  # fmt: skip


def write(
    study: "Study",
    pair: Pair,
    name: str,
    data: Dataset,
    proposals: str | Path,
    proof: str | Path,
    mined: str | Path,
    output: str | Path,
    *,
    device: str,
) -> None:
    """Train models of `name` without what directions weigh most, and show them what was found.

    output: .csv of `COLUMNS`, a row for each feature that is found: how far it moves p(class) of
    models without random images, and without the group; `fall`: the former less the latter. 95%
    intervals over models and images, for all features and both algorithms of the pair together. A
    model that diverges is left out. An interrupted call goes on.
    """
    of_number = {one.number: one for one in proved(study, pair, proposals, proof)}
    found = [one for one in pictures.read(study, pair, mined) if one.found]
    models = 2 * study.mine.removal_models  # of a direction
    key = study.key("removal", *pair, name)
    how = study.training.width, study.training.compile, device, data.digest
    with resumable(output, key, *how) as done:
        for place, direction in enumerate(found):
            numbered = enumerate(_members(study, pair, name, data, of_number[direction.number]))
            members = list(seen(study.algorithms[name], data, dict(numbered)).values())
            for trained in engine.train(
                study.algorithms[name],
                data.train,
                len(data.classes),
                members[max(0, len(done.rows) - place * models) :],
                width=_width(study),
                device=device,
                compiled=study.training.compile,
                kept=done,
                forget=forgotten(study.algorithms[name], data),
            ):
                done.rows.extend(_moved(study, pair, data, direction, trained))
                done.save_if_due()
        finish()
        level = LEVEL / max(1, 2 * sum(len(direction.found) for direction in found))
        rows = []
        for place, direction in enumerate(found):
            moved = np.stack(done.rows[place * models : (place + 1) * models])
            left_out = int(_group(study, data, of_number[direction.number]).sum())
            common = {"proposal": direction.number, "algorithm": name, "left_out": left_out}
            for one, of_one in zip(direction.found, np.split(moved, len(KINDS), 1), strict=False):
                kind = {"kind": one.feature.kind}
                rows.append(common | kind | _effects(of_one[:, : _images(of_one)], level))
        with artifacts.write(output, key) as file:
            pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(file, index=False, na_rep="nan")


def read(study: "Study", pair: Pair, paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """The rows of what `write` wrote for both algorithms of a pair, in order."""
    rows: list[dict[str, Any]] = []
    for name, path in zip(pair, paths, strict=True):
        verified = artifacts.verify(path, study.key("removal", *pair, name))
        with artifacts.reading(path, "table of removals"):
            table = pd.read_csv(
                verified, dtype={"algorithm": str, "kind": str}, keep_default_na=False
            )
            numbers = dict.fromkeys(COLUMNS[4:], float)
            rows += table[list(COLUMNS)].astype(numbers).to_dict("records")
    return rows


def _group(study: "Study", data: Dataset, direction: Proved) -> np.ndarray:
    """The training images that are left out: bool [n_train]."""
    return strongest(direction.weights, data.train.labels, study.mine.removal)


def _members(
    study: "Study", pair: Pair, name: str, data: Dataset, direction: Proved
) -> list[Member]:
    """Models without random images, then models without the group."""
    identity = (study.seed, "mined", *pair, direction.number)
    sets = with_and_without(_group(study, data, direction), data.train.labels, *identity)
    members = []
    for place, chosen in enumerate(sets):
        for repeat in range(study.mine.removal_models):
            what = ("without random images", "without the group")[place]
            member = Member(
                identity=(*identity, name, place, repeat),
                examples=np.flatnonzero(chosen),
                label=f"model {repeat} of {name} {what} of proposal {direction.number}",
            )
            members.append(member)
    return members


def _moved(
    study: "Study",
    pair: Pair,
    data: Dataset,
    direction: MinedDirection,
    trained: TrainedModels,
) -> np.ndarray:
    """How the features that are found move p(class), feature by feature: float32 [models x (KINDS x
    PROVING)]; NaN beyond the images and features there are, and of models that diverged.
    """
    label = data.classes.index(direction.label)
    identity = (study.seed, *pair, direction.number)
    chosen = split(
        data.targets, data.verification, data.test.labels, label, study.mine.images, *identity
    )
    images = as_float(data.test.images[chosen.prove])
    side = Side([trained])
    before = side.probability(images, label)
    moved = np.full((len(before), len(KINDS), PROVING), np.nan, np.float32)
    for place, one in enumerate(direction.found):
        moved[:, place, : len(images)] = side.probability(one.feature.on(images), label) - before
    return moved.reshape(len(before), -1)


def _images(moved: np.ndarray) -> int:
    """How many images models were shown, of [models x PROVING]."""
    return int(np.isfinite(moved).any(0).sum())


def _effects(moved: np.ndarray, level: float) -> dict[str, Any]:
    """What models say of a feature; moved: [models x images], first those without random images,
    then as many without the group.
    """
    random, group = (_finished(half) for half in np.split(moved, 2))
    said = evidence(random, group, 0, 0, level)
    counts = {"models_random": random.models, "models_group": group.models}
    return {
        **said.mover.columns("random_effect", "random_low", "random_high"),
        **said.other.columns("group_effect", "group_low", "group_high"),
        **said.difference.columns("fall", "low", "high"),
        **counts,
        "images": moved.shape[1],
    }


def _finished(moved: np.ndarray) -> Moved:
    """Of models [models x images] that did not fail, as one feature at one strength."""
    kept = moved[np.isfinite(moved).all(1)].astype(np.float64)
    by_image = kept.mean(0) if len(kept) else np.zeros(kept.shape[1])
    return Moved(by_model=kept.mean(1)[None, None], by_image=by_image[None, None])


def _width(study: "Study") -> int:
    assert study.training.width != "auto"  # a job is told its width: see `Study.at_width`
    return study.training.width
