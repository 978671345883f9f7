"""The rules' steps: proposals of a pair, models trained on their halves, what those prove."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.proof.effect import Proof, Retrained, prove
from modeldiff.proof.proposals import Proposal, of_difference
from modeldiff.proof.sets import opposite_halves
from modeldiff.study.study import INFLUENCE_KINDS

if TYPE_CHECKING:
    from modeldiff.dataset import Dataset
    from modeldiff.study import Study

Pair = tuple[str, str]
COLUMNS = (
    "proposal", "source", "share", "a", "a_low", "a_high", "b", "b_low", "b_high",
    "difference", "difference_low", "difference_high", "p_value", "adjusted", "verdict",
    "models", "needed",
)  # fmt: skip
HALVES = ("high", "low")


class Number(NamedTuple):
    """What a retrained model of an algorithm is: the model `repeat` of a half of a proposal."""

    repeat: int
    proposal: int
    half: int


def number(study: "Study", model: int) -> Number:
    """What the model of this number is, among all that are retrained of an algorithm for a pair.

    Repeats come last, so that models can join without any changing its number.
    """
    repeat, place = divmod(model, study.proposals * len(HALVES))
    proposal, half = divmod(place, len(HALVES))
    return Number(repeat=repeat, proposal=proposal, half=half)


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
    for kind in INFLUENCE_KINDS:
        of_a, of_b = scores[0][kind], scores[1][kind]
        proposals += of_difference(of_a, of_b, kind, study.proof.proposals)
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
    each, wanted = study.proof.proposals, study.proposals
    proposals = []
    for name in ("examples", "targets", "share"):
        if name not in arrays or len(arrays[name]) != wanted:
            raise CorruptArtifact(f"{path}: `{name}` is not of {wanted} proposals", artifact=path)
    for place in range(wanted):
        proposal = Proposal(
            source=INFLUENCE_KINDS[place // each],
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
    shards: Sequence[str | Path],
    output: str | Path,
) -> None:
    """Write what the retrained models say of each proposal: a row each.

    shards: what `retrain` wrote, of each algorithm in order. output: .csv of `COLUMNS`; proposals
    are numbered from 1, effects have 95% intervals, in units of the margin; see `Proof`.
    """
    margins = []
    for name in pair:
        own = [path for path in shards if artifacts.record(path).get("algorithm") == name]
        margins.append(_margins(study, pair, name, own))
    given = read_proposals(study, pair, proposals)
    retrained = []
    for place, proposal in enumerate(given):
        sides = []
        for of_algorithm in margins:
            high, low = of_algorithm[:, place].swapaxes(0, 1)
            sides.append(Retrained.of(high, low, proposal.targets))
        retrained.append((sides[0], sides[1]))
    rows = []
    for place, proof in enumerate(prove(retrained)):
        rows.append(_row(place + 1, given[place], proof))
    models = study.proof.models
    with artifacts.write(output, study.key("proof", *pair), models=models) as file:
        pd.DataFrame(rows)[list(COLUMNS)].to_csv(file, index=False)


def _row(number: int, proposal: Proposal, proof: Proof) -> dict[str, Any]:
    """A proposal's row of the table."""
    row: dict[str, Any] = {
        "proposal": number,
        "source": proposal.source,
        "share": proposal.share,
        "p_value": proof.p_value,
        "adjusted": proof.adjusted,
        "verdict": proof.verdict,
        "models": proof.models,
        "needed": proof.needed,
    }
    for side, effect in (("a", proof.a), ("b", proof.b), ("difference", proof.difference)):
        row |= {side: effect.value, f"{side}_low": effect.low, f"{side}_high": effect.high}
    return row


def _margins(study: "Study", pair: Pair, name: str, shards: Sequence[str | Path]) -> np.ndarray:
    """Margins of the retrained models: [models x proposals x halves x targets]."""
    key = study.key("retraining", *pair, name)
    parts = [artifacts.array(path, key, kind="f", dimensions=2) for path in shards]
    held = sum(len(part) for part in parts)
    if held != study.retrained:
        wanted = f"the retrained models of {name} are {held}; must be {study.retrained}"
        raise UserError(f"{' and '.join(pair)}: {wanted}")
    rows = np.concatenate(parts)
    return rows.reshape(-1, study.proposals, len(HALVES), rows.shape[1])
