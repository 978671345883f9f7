"""Differences that a few models propose, proved by models trained on sets chosen for them."""

from modeldiff.proof.effect import Proof, prove
from modeldiff.proof.proposals import Proposal, of_difference, of_group
from modeldiff.proof.sets import opposite_halves

__all__ = ["Proof", "Proposal", "of_difference", "of_group", "opposite_halves", "prove"]
