"""What no schema can say of proofs, of mining, and of other ways to compare."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.core.errors import shown
from modeldiff.study.config_file import KeyPath
from modeldiff.study.given_scores import FEWEST_PROVING


def of_proof(proof: Mapping[str, Any], directions: int) -> Iterator[tuple[KeyPath, str]]:
    """Groups that the user names, directions, and rounds enough to see how large a proved group is.

    directions: those that the comparison finds.
    """
    if proof["directions"] > directions:
        most = f"must be at most `comparison.directions`, {directions}"
        yield ("proof", "directions"), f"is {proof['directions']}; {most}"
    if not (proof["proposals"] or proof["directions"] or proof.get("groups")):
        yield ("proof", "proposals"), "is 0, and there are no `directions` and no `groups` to prove"
    for name, file in proof.get("groups", {}).items():
        if not os.path.isfile(file):
            yield (
                ("proof", "groups", name),
                f"is {shown(file)}, which is no file here; must be there",
            )
    if proof.get("removal") and proof["rounds"] == 1:
        what = "is 1, but `removal` asks how large the groups are that a first round proves"
        yield ("proof", "rounds"), f"{what}; must be 2 or more"


def of_baselines(baselines: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What is known of the images, which rules are made of."""
    file = baselines.get("metadata")
    if file is None:
        return
    if not os.path.isfile(file):
        what = f"is {shown(file)}, which is no file here; must be there"
        yield ("baselines", "metadata"), what
    if "jst" not in baselines["methods"]:
        yield ("baselines", "metadata"), "is used by `jst` alone; add it to `methods`, or remove it"


def of_mining(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Features are looked for behind proved differences, and proved on models of their own."""
    verification = config["verification"]
    if "mine" not in verification:
        return
    at: KeyPath = ("verification", "mine")
    if "proof" not in config:
        what = "looks for features behind proved differences, but there is no `proof`"
        yield at, f"{what}; `proof: {{}}` would prove some"
        return
    finding = verification["mine"]["models"]
    proposing = config["proof"]["proposers"]
    if finding < proposing:
        what = f"is {finding}, but {proposing} models propose (`proof.proposers`)"
        yield (*at, "models"), f"{what}, which may not prove; must be at least that"
    if verification["models"] < finding + FEWEST_PROVING:
        what = f"is {finding} of {verification['models']} models trained on all data"
        must = f"must leave {FEWEST_PROVING} or more to prove on"
        yield (*at, "models"), f"{what} (`verification.models`); {must}"
