"""What is tested of a pair: two training sets for each proposal, and which models train on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modeldiff.core import rng
from modeldiff.proof.effect import PROOF_LEVEL, larger_effect
from modeldiff.proof.proposals import Proposal
from modeldiff.proof.sets import Sets, images_of, opposite_halves, strongest, with_and_without

if TYPE_CHECKING:
    from modeldiff.study import Study


@dataclass(frozen=True)
class Experiment:
    """Two training sets, and a proposal that says how models trained on them differ.

    proposal: its place among a pair's. share: of the training examples that are left out, those
    that the proposal weighs most; 0: all of a group that the user names is left out, and any other
    proposal makes two opposite halves.
    """

    proposal: int
    share: float = 0.0


def experiments(study: "Study") -> list[Experiment]:
    """All of a pair: each proposal's own, then what shows how large its group of images is."""
    planned = [Experiment(proposal) for proposal in range(study.proof.all_proposals)]
    for proposal in range(len(study.proof.sources)):
        for share in study.proof.removal:
            planned.append(Experiment(proposal, share))
    return planned


@dataclass(frozen=True)
class RetrainedModel:
    """What a retrained model of an algorithm is: the model `repeat` on a set of an experiment.

    experiment: its place among `experiments`; on_first: whether it is trained on the first set.
    """

    repeat: int
    experiment: int
    on_first: bool


def retrained_model(number: int, tested: int) -> RetrainedModel:
    """The model of this number, among all that are retrained of an algorithm in a round.

    tested: experiments that the round has models for. Repeats come last, so that models can join
    without any changing its number.
    """
    repeat, place = divmod(number, 2 * tested)
    return RetrainedModel(repeat=repeat, experiment=place // 2, on_first=place % 2 == 0)


def wanted(planned: Sequence[Experiment], table: Sequence[Mapping[str, Any]] | None) -> list[bool]:
    """Which experiments a round trains models for.

    table: what the rounds before say, a row for each; None before the first. Those that are
    decided get no more models. How large the group of a proposal is, is asked once it is proved.
    """
    chosen = []
    for place, experiment in enumerate(planned):
        proved = table is not None and table[experiment.proposal]["adjusted"] <= PROOF_LEVEL
        is_open = table is None or table[place]["verdict"] == "open"
        chosen.append(is_open and (proved or not experiment.share))
    return chosen


def sets_of(
    experiment: Experiment,
    proposal: Proposal,
    labels: np.ndarray,
    table: Sequence[Mapping[str, Any]] | None,
    *identity: rng.Key,
) -> Sets:
    """The two training sets of an experiment.

    labels: int [n_train]. table: as for `wanted`; says which end of a proposal the algorithm that
    follows it further follows. identity: of the random images that are left out for comparison.
    """
    if experiment.share and table is not None:
        followed = larger_effect(table[experiment.proposal])
        weights = proposal.examples if followed >= 0 else -proposal.examples
        return with_and_without(strongest(weights, labels, experiment.share), labels, *identity)
    if proposal.group:
        return with_and_without(proposal.examples > 0, labels, *identity)
    return opposite_halves(proposal.examples, labels)


def left_out(experiment: Experiment, proposal: Proposal) -> int | None:
    """Training images that either set leaves out; None of opposite halves."""
    if experiment.share:
        return images_of(experiment.share, len(proposal.examples))
    if proposal.group:
        return int((proposal.examples > 0).sum())
    return None
