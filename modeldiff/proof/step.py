"""The rules' steps: proposals of a pair, models trained on their halves, what those prove."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from modeldiff.attribution.influence_step import KINDS
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.proof.effect import Retrained, prove
from modeldiff.proof.proposals import Proposal, of_difference
from modeldiff.proof.sets import opposite_halves

if TYPE_CHECKING:
    from modeldiff.dataset import Dataset
    from modeldiff.study import Study

Pair = tuple[str, str]
HALVES = ("high", "low")


class Number(NamedTuple):
    """What a retrained model of an algorithm is: the model `repeat` of a half of a proposal."""

    proposal: int
    half: int
    repeat: int


def number(study: "Study", model: int) -> Number:
    """What the model of this number is, among all that are retrained of an algorithm for a pair."""
    models = study.config["proof"]["models"]
    proposal, place = divmod(model, models * len(HALVES))
    half, repeat = divmod(place, models)
    return Number(proposal=proposal, half=half, repeat=repeat)


def write_proposals(
    study: "Study", pair: Pair, gradients: tuple[str | Path, str | Path], output: str | Path
) -> None:
    """Write what the gradients of both algorithms propose.

    gradients: what `influence_step.write` wrote of each. output: .npz, `examples` float32
    [proposals x train], `targets` float32 [proposals x targets], `share` float64 [proposals]; the
    first half of them by `influence`, the others by `predictive`.
    """
    scores = []
    for name, path in zip(pair, gradients, strict=True):
        scores.append(artifacts.arrays(path, study.key("gradients", name)))
    proposals: list[Proposal] = []
    for kind in KINDS:
        of_a, of_b = scores[0][kind], scores[1][kind]
        proposals += of_difference(of_a, of_b, kind, study.config["proof"]["proposals"])
    arrays = {
        "examples": np.stack([one.examples for one in proposals]).astype(np.float32),
        "targets": np.stack([one.targets for one in proposals]).astype(np.float32),
        "share": np.array([one.share for one in proposals]),
    }
    with artifacts.write(output, study.key("proposals", *pair)) as file:
        artifacts.write_arrays(file, arrays)


def read_proposals(study: "Study", pair: Pair, path: str | Path) -> list[Proposal]:
    """What `write_proposals` wrote; CorruptArtifact if it holds something else."""
    arrays = artifacts.arrays(path, study.key("proposals", *pair))
    each = study.config["proof"]["proposals"]
    wanted = len(KINDS) * each
    proposals = []
    for name in ("examples", "targets", "share"):
        if name not in arrays or len(arrays[name]) != wanted:
            raise CorruptArtifact(f"{path}: `{name}` is not of {wanted} proposals", artifact=path)
    for place in range(wanted):
        proposal = Proposal(
            source=KINDS[place // each],
            examples=arrays["examples"][place].astype(np.float64),
            targets=arrays["targets"][place].astype(np.float64),
            share=float(arrays["share"][place]),
        )
        proposals.append(proposal)
    return proposals


def retrain(
    study: "Study",
    pair: Pair,
    name: str,
    data: "Dataset",
    proposals: str | Path,
    models: range,
    output: str | Path,
    *,
    device: str,
) -> None:
    """Train models of the algorithm `name` on the halves of the pair's proposals.

    models: which, of `number`. output: .npy, their margins, as `training.train_shard` writes them.
    """
    from modeldiff.training.fit import Member
    from modeldiff.training.shard import write_margins

    halves = []
    for proposal in read_proposals(study, pair, proposals):
        halves.append(opposite_halves(proposal.examples, data.train.labels))
    members = []
    for model in models:
        which = number(study, model)
        examples = np.flatnonzero(halves[which.proposal][which.half])
        label = f"retrained model {model} of {name}"
        members.append(Member((study.seed, name, "retrained", *which), examples, label))
    key = study.key("retraining", *pair, name)
    write_margins(study, name, data, members, models, output, key, device)


def write(
    study: "Study",
    pair: Pair,
    proposals: str | Path,
    shards: dict[str, Sequence[str | Path]],
    output: str | Path,
) -> None:
    """Write what the retrained models say of each proposal: a row each.

    shards: of each algorithm of the pair, what `retrain` wrote, in order. output: .csv with
    proposal (from 1), source, share, and for a, b and difference: effect, low, high (95%); p_value,
    adjusted (Holm, over all proposals), verdict, models (on each half), needed.
    """
    margins = []
    for name in pair:
        margins.append(_margins(study, pair, name, shards[name]))
    given = read_proposals(study, pair, proposals)
    models = study.config["proof"]["models"]
    retrained = []
    for place, proposal in enumerate(given):
        sides = []
        for of_algorithm in margins:
            high, low = of_algorithm[place]
            sides.append(Retrained.of(high, low, proposal.targets))
        retrained.append((sides[0], sides[1]))
    rows = []
    for place, (proposal, proof) in enumerate(zip(given, prove(retrained), strict=True)):
        row = {"proposal": place + 1, "source": proposal.source, "share": proposal.share}
        for side, effect in (("a", proof.a), ("b", proof.b), ("difference", proof.difference)):
            row |= {side: effect.value, f"{side}_low": effect.low, f"{side}_high": effect.high}
        row |= {"p_value": proof.p_value, "adjusted": proof.adjusted, "verdict": proof.verdict}
        row |= {"models": proof.models, "needed": proof.needed}
        rows.append(row)
    with artifacts.write(output, study.key("proof", *pair), models=models) as file:
        pd.DataFrame(rows).to_csv(file, index=False)


def _margins(study: "Study", pair: Pair, name: str, shards: Sequence[str | Path]) -> np.ndarray:
    """Margins of the retrained models: [proposals x halves x models x targets]."""
    key = study.key("retraining", *pair, name)
    rows = np.concatenate([artifacts.array(path, key, kind="f", dimensions=2) for path in shards])
    wanted = study.retrained
    if len(rows) != wanted:
        raise CorruptArtifact(
            f"{shards[0]}: with the others holds {len(rows)} models, not {wanted}"
        )
    models = study.config["proof"]["models"]
    return rows.reshape(-1, len(HALVES), models, rows.shape[1])
