"""What a study says of its proposals: which of them retraining has proved, and their images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.core import artifacts
from modeldiff.proof.effect import PROOF_LEVEL, VERDICTS
from modeldiff.proof.proposals import Proposal
from modeldiff.proof.step import read_proposals
from modeldiff.study import Study, stages

SHOWN = 12  # examples of each kind
COLUMNS = (
    "proposal", "source", "share", "a", "a_low", "a_high", "b", "b_low", "b_high",
    "difference", "difference_low", "difference_high", "p_value", "adjusted", "verdict",
    "models", "needed",
)  # fmt: skip


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
    def words(self) -> str:
        """The verdict as a clause."""
        less = self.b if self.follower == self.a else self.a
        verdict = self.row["verdict"]
        said = VERDICTS[verdict].format(more=self.follower, less=less)
        if verdict == "more":
            sizes = sorted((abs(self.row["a"]), abs(self.row["b"])))
            return said.replace("further than", f"{sizes[1] / sizes[0]:.1f} times as far as")
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
    other = Proposal(proposal.source, -proposal.examples, proposal.targets, proposal.share)
    return Proved(proved.a, proved.b, other, turned)


def strips(proved: Proved, targets: np.ndarray) -> list[list[Any]]:
    """Its images as the page's script reads them: [split, end, [[example, weight], ...]]."""
    strips: list[list[Any]] = []
    for split, weights, names in (
        ("train", proved.proposal.examples, None),
        ("test", proved.proposal.targets, targets),
    ):
        order = np.argsort(weights, kind="stable")
        for end, chosen in (("high", order[::-1][:SHOWN]), ("low", order[:SHOWN])):
            examples = []
            for place in chosen:
                example = int(place if names is None else names[place])
                examples.append([example, float(f"{weights[place]:.3g}")])
            strips.append([split, end, examples])
    return strips


def summary(proved: Proved) -> dict[str, Any]:
    """For `summary.json`: plain data, null for what is not known."""
    entry: dict[str, Any] = {}
    for name in COLUMNS:
        value = proved.row[name]
        if isinstance(value, float):
            entry[name] = value if np.isfinite(value) else None
        else:
            entry[name] = value
    order = np.argsort(-proved.proposal.examples, kind="stable")
    entry["needed"] = None if entry["needed"] is None else int(entry["needed"])
    return (
        entry
        | {"a_name": proved.a, "b_name": proved.b}
        | {"train_examples": order[:SHOWN].tolist()}
    )
