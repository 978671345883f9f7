"""What a study says of its proposals: which of them retraining has proved."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff.proof.effect import PROOF_LEVEL, VERDICTS, larger_effect
from modeldiff.proof.proposals import Proposal
from modeldiff.proof.step import read_proposals, read_table
from modeldiff.study import Study, stages


@dataclass(frozen=True)
class Proved:
    """A proposal of a pair and what retraining says of it.

    row: of proof.csv, by its columns. Signed so that the algorithm that follows it further has an
    effect above 0, but for a group that the user names. removals: rows of what leaving out the
    images that it weighs most does, the fewest first.
    """

    a: str
    b: str
    proposal: Proposal
    row: dict[str, Any]
    removals: tuple[dict[str, Any], ...]

    @property
    def number(self) -> int:
        """From 1, in the order of proof.csv."""
        return int(self.row["proposal"])

    @property
    def differs(self) -> bool:
        """Whether the two surely follow it differently, all proposals counted."""
        return bool(self.row["adjusted"] <= PROOF_LEVEL)

    @property
    def follower(self) -> str:
        """The algorithm that follows it further."""
        return self.a if abs(self.row["a"]) >= abs(self.row["b"]) else self.b

    @property
    def less(self) -> str:
        """The other algorithm."""
        return self.b if self.follower == self.a else self.a

    @property
    def further(self) -> str:
        """`2.3 times as far as`; `further than` where the other may not follow it at all."""
        side = "a" if self.less == self.a else "b"
        if self.row[f"{side}_low"] <= 0 <= self.row[f"{side}_high"]:
            return "further than"
        smaller, larger = sorted((abs(self.row["a"]), abs(self.row["b"])))
        return f"{larger / smaller:.1f} times as far as"

    @property
    def words(self) -> str:
        """The verdict as a clause."""
        verdict = self.row["verdict"]
        said = VERDICTS[verdict].format(more=self.follower, less=self.less, further=self.further)
        if verdict == "open" and not np.isnan(self.row["needed"]):
            return f"{said}; about {self.row['needed']:.0f} models on each set would decide"
        return said


def read(study: Study, folder: Path, a: str, b: str) -> tuple[Proved, ...]:
    """The proposals of a pair: those that differ first, then by the size of the difference."""
    if (a, b) not in study.proved:
        return ()
    proposals = read_proposals(study, (a, b), folder / stages.path("proposals", a, b))
    rows = read_table(folder / stages.path("proof", a, b), study.key("proof", a, b))
    proofs = []
    for number, proposal in enumerate(proposals):
        removals = []
        for row in rows[len(proposals) :]:
            if row["proposal"] == number + 1 and row["models"]:
                removals.append(row)
        removals.sort(key=lambda row: float(row["left_out"]))
        proofs.append(_signed(Proved(a, b, proposal, rows[number], tuple(removals))))
    return tuple(sorted(proofs, key=lambda one: (not one.differs, -abs(one.row["difference"]))))


def _signed(proved: Proved) -> Proved:
    """With the other half first, if the algorithm that follows it further has an effect below 0."""
    row = proved.row
    proposal = proved.proposal
    if proved.proposal.group or not larger_effect(row) < 0:
        return proved
    turned = dict(row)
    for side in ("a", "b", "difference"):
        turned[side] = -row[side]
        turned[f"{side}_low"] = -row[f"{side}_high"]
        turned[f"{side}_high"] = -row[f"{side}_low"]
    other = replace(proposal, examples=-proposal.examples)
    return replace(proved, proposal=other, row=turned)
