"""The rules' steps: proposals, models trained on sets chosen for them, what those prove."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.proof.effect import Proof, Retrained, Round, prove
from modeldiff.proof.experiments import (
    Experiment,
    experiments,
    left_out,
    retrained_model,
    sets_of,
    wanted,
)
from modeldiff.proof.proposals import (
    GROUP,
    Proposal,
    of_difference,
    of_directions,
    of_group,
)
from modeldiff.study.proof_section import INFLUENCE_KINDS
from modeldiff.study.stages import WAYS

if TYPE_CHECKING:
    from modeldiff.dataset import Dataset
    from modeldiff.study import Study

Pair = tuple[str, str]
COLUMNS = (
    "proposal", "source", "share", "left_out", "a", "a_low", "a_high", "b", "b_low", "b_high",
    "difference", "difference_low", "difference_high", "p_value", "adjusted", "verdict",
    "rounds", "models", "needed",
)  # fmt: skip


def write_proposals(
    study: "Study",
    pair: Pair,
    data: "Dataset",
    gradients: Sequence[str | Path],
    output: str | Path,
    *,
    comparison: str | Path | None = None,
) -> None:
    """Write what the gradients of both algorithms propose, and the groups that the user names.

    gradients: what `influence_step.write` wrote of each; none if they propose nothing. comparison:
    what `comparison.write` wrote, if its directions are to be proved, too. output: .npz, `examples`
    float32 [proposals x train], `targets` float32 [proposals x targets], `share` float64
    [proposals]; first those by `influence`, then those by `predictive`, then directions of either
    way, then the groups.
    """
    proposals: list[Proposal] = []
    if gradients:
        proposals += _by_gradients(study, pair, gradients)
    if comparison is not None:
        proposals += _directions(study, pair, comparison)
    for name, path in study.proof.groups.items():
        n_test = len(data.test.labels)
        proposals.append(of_group(name, path, data.train.labels, n_test, data.targets))
    arrays = {
        "examples": np.stack([one.examples for one in proposals]).astype(np.float32),
        "targets": np.stack([one.targets for one in proposals]).astype(np.float32),
        "share": np.array([one.share for one in proposals]),
    }
    with artifacts.write(output, study.key("proposals", *pair)) as file:
        artifacts.write_arrays(file, arrays)


def _by_gradients(study: "Study", pair: Pair, gradients: Sequence[str | Path]) -> list[Proposal]:
    """Where the influences of a pair differ, of either kind."""
    scores = []
    for name, path in zip(pair, gradients, strict=True):
        scores.append(artifacts.arrays(path, study.key("gradients", name)))
    proposals: list[Proposal] = []
    for kind in INFLUENCE_KINDS:
        of_a, of_b = scores[0][kind], scores[1][kind]
        proposals += of_difference(of_a, of_b, kind, study.proof.proposals)
    return proposals


def _directions(study: "Study", pair: Pair, path: str | Path) -> list[Proposal]:
    """The first directions of a pair's comparison, of both ways."""
    arrays = artifacts.arrays(path, study.key("comparison", *pair))
    proposals: list[Proposal] = []
    for way in WAYS:
        proposals += of_directions(
            arrays[f"{way}.directions"],
            arrays[f"{way}.projections"],
            arrays[f"{way}.explained"],
            study.proof.directions,
            of_b=way == WAYS[1],
        )
    return proposals


def read_proposals(study: "Study", pair: Pair, path: str | Path) -> list[Proposal]:
    """What `write_proposals` wrote; CorruptArtifact if it holds something else."""
    arrays = artifacts.arrays(path, study.key("proposals", *pair))
    groups = [GROUP + name for name in study.proof.groups]
    sources = [*study.proof.sources, *groups]
    for name in ("examples", "targets", "share"):
        if name not in arrays or len(arrays[name]) != len(sources):
            wanted = f"`{name}` is not of {len(sources)} proposals"
            raise CorruptArtifact(f"{path}: {wanted}", artifact=path)
    proposals = []
    for place, source in enumerate(sources):
        proposal = Proposal(
            source=source,
            examples=arrays["examples"][place].astype(np.float64),
            targets=arrays["targets"][place].astype(np.float64),
            share=float(arrays["share"][place]),
        )
        proposals.append(proposal)
    return proposals


def read_table(path: str | Path, key: str) -> list[dict[str, Any]]:
    """The rows of a table that `write` wrote for `key`, by the names of `COLUMNS`."""
    verified = artifacts.verify(path, key)
    with artifacts.reading(path, "table of proofs"):
        rows: list[dict[str, Any]] = pd.read_csv(verified)[list(COLUMNS)].to_dict("records")
    return rows


def retrain(
    study: "Study",
    pair: Pair,
    name: str,
    round_number: int,
    data: "Dataset",
    proposals: str | Path,
    models: range,
    output: str | Path,
    *,
    before: str | Path | None = None,
    device: str,
) -> None:
    """Train models of the algorithm `name` on the sets of the pair's experiments.

    models: which of a round, as for `retrained_model`. before: what `write` wrote after the round
    before, if there was one; what is decided there gets no more models.
    output: .npy, their margins, as `training.train_shard` writes them; NaN of models that are not
    trained.
    """
    from modeldiff.training.fit import Member
    from modeldiff.training.shard import write_margins

    table = None
    if before is not None:
        table = read_table(before, study.key("looks", *pair, str(round_number - 1)))
    given = read_proposals(study, pair, proposals)
    planned = experiments(study)
    chosen = wanted(planned, table)
    members = {}
    for number in models:
        which = retrained_model(number, study.proof.tested(round_number))
        if not chosen[which.experiment]:
            continue
        experiment = planned[which.experiment]
        identity = (study.seed, name, "retrained", round_number, which.repeat, which.experiment)
        proposal = given[experiment.proposal]
        sets = sets_of(experiment, proposal, data.train.labels, table, *identity)
        members[number] = Member(
            identity=(*identity, int(which.on_first)),
            examples=np.flatnonzero(sets.first if which.on_first else sets.second),
            label=f"retrained model {number} of {name}, round {round_number}",
        )
    key = study.key("retraining", *pair, name, str(round_number))
    write_margins(study, name, data, members, models, output, key, device)


def write(
    study: "Study",
    pair: Pair,
    rounds: int,
    proposals: str | Path,
    retrained: Sequence[str | Path],
    output: str | Path,
) -> None:
    """Write what the models of the first `rounds` rounds say of each experiment: a row each.

    retrained: what `retrain` wrote, of both algorithms and all these rounds.
    output: .csv of `COLUMNS`. Proposals are numbered from 1; share: see `Proposal`; left_out:
    training images that the two sets leave out, empty of opposite halves; effects have 95%
    intervals, in units of the margin, or of the model's root mean square margin; see `Proof`.
    """
    given = read_proposals(study, pair, proposals)
    planned = experiments(study)
    relative = study.proof.margins == "relative"
    tested: list[list[Round]] = [[] for _ in planned]
    for number in range(1, rounds + 1):
        of_a = _margins(study, pair, pair[0], number, retrained)
        of_b = _margins(study, pair, pair[1], number, retrained)
        for place, experiment in enumerate(planned[: study.proof.tested(number)]):
            targets = given[experiment.proposal].targets
            a = Retrained.of(of_a[:, place, 0], of_a[:, place, 1], targets, relative=relative)
            b = Retrained.of(of_b[:, place, 0], of_b[:, place, 1], targets, relative=relative)
            if a.any or b.any:
                tested[place].append((a, b))
    rows = []
    for experiment, proof in zip(planned, prove(tested), strict=True):
        rows.append(_row(experiment, given[experiment.proposal], proof))
    key = study.key("proof", *pair)
    if rounds < study.proof.rounds:
        key = study.key("looks", *pair, str(rounds))
    with artifacts.write(output, key) as file:
        pd.DataFrame(rows)[list(COLUMNS)].to_csv(file, index=False)


def _row(experiment: Experiment, proposal: Proposal, proof: Proof) -> dict[str, Any]:
    """An experiment's row of the table."""
    row: dict[str, Any] = {
        "proposal": experiment.proposal + 1,
        "source": proposal.source,
        "share": proposal.share,
        "left_out": left_out(experiment, proposal),
        "p_value": proof.p_value,
        "adjusted": proof.adjusted,
        "verdict": proof.verdict,
        "rounds": proof.rounds,
        "models": proof.models,
        "needed": proof.needed,
    }
    for side, effect in (("a", proof.a), ("b", proof.b), ("difference", proof.difference)):
        row |= effect.columns(side, f"{side}_low", f"{side}_high")
    return row


def _margins(
    study: "Study", pair: Pair, name: str, round_number: int, retrained: Sequence[str | Path]
) -> np.ndarray:
    """Margins of an algorithm's models of a round: [repeats x experiments x 2 sets x targets]."""
    key = study.key("retraining", *pair, name, str(round_number))
    parts = []
    for path in artifacts.made_for(retrained, key):
        parts.append(artifacts.array(path, key, kind="f", dimensions=2))
    held = sum(len(part) for part in parts)
    if held != study.proof.retrained(round_number):
        wanted = f"must be {study.proof.retrained(round_number)} of round {round_number}"
        models = f"the retrained models of {name} are {held}; {wanted}"
        raise UserError(f"{' and '.join(pair)}: {models}")
    rows = np.concatenate(parts)
    return rows.reshape(study.proof.models, -1, 2, rows.shape[1])
