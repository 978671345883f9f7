"""What a study says of its proposals: which of them retraining has proved."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.proof.effect import PROOF_LEVEL, VERDICTS
from modeldiff.proof.proposals import Proposal
from modeldiff.proof.step import COLUMNS, read_proposals
from modeldiff.study import Study, stages


@dataclass(frozen=True)
class Proved:
    """A proposal of a pair and what retraining says of it; `row` has the columns of proof.csv.

    Signed so that the algorithm that follows it further has an effect above 0.
    """

    a: str
    b: str
    proposal: Proposal
    row: dict[str, Any]

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
    def times(self) -> float:
        """How many times as far the one follows it as the other, whatever the sign."""
        smaller, larger = sorted((abs(self.row["a"]), abs(self.row["b"])))
        return larger / smaller if smaller else np.inf

    @property
    def words(self) -> str:
        """The verdict as a clause."""
        verdict = self.row["verdict"]
        said = VERDICTS[verdict].format(more=self.follower, less=self.less, times=self.times)
        if verdict == "open" and not np.isnan(self.row["needed"]):
            return f"{said}; about {self.row['needed']:.0f} models on each half would decide"
        return said


def read(study: Study, folder: Path, a: str, b: str) -> tuple[Proved, ...]:
    """The proposals of a pair: those that differ first, then by the size of the difference."""
    if (a, b) not in study.proved:
        return ()
    proposals = read_proposals(study, (a, b), folder / stages.path("proposals", a, b))
    path = artifacts.verify(folder / stages.path("proof", a, b), study.key("proof", a, b))
    with artifacts.reading(path, "table of proofs"):
        rows = pd.read_csv(path)[list(COLUMNS)].to_dict("records")
        proofs = []
        for proposal, row in zip(proposals, rows, strict=True):
            proofs.append(_signed(Proved(a, b, proposal, row)))
    return tuple(sorted(proofs, key=lambda one: (not one.differs, -abs(one.row["difference"]))))


def _signed(proved: Proved) -> Proved:
    """With the other half first, if the algorithm that follows it further has an effect below 0."""
    row = proved.row
    proposal = proved.proposal
    larger = row["a"] if proved.follower == proved.a else row["b"]
    if not larger < 0:
        return proved
    turned = dict(row)
    for side in ("a", "b", "difference"):
        turned[side] = -row[side]
        turned[f"{side}_low"] = -row[f"{side}_high"]
        turned[f"{side}_high"] = -row[f"{side}_low"]
    other = replace(proposal, examples=-proposal.examples)
    return replace(proved, proposal=other, row=turned)
