"""Is the feature behind a planted difference found and proved, and is none where nothing differs?

Differences of known kind (`planted.py`), one run for each seed: gradients propose directions, a
feature of each kind is mined for every direction with the first models of both recipes, and proved
on test images and models that had no part in it. `plain` is compared with `masked`, which cannot
see what was planted, and with a replica of itself. Rows are kept in docs/mining.jsonl, so that a
run that was cut goes on.

    python benchmarks/mining.py --output docs/mining.md
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import planted
import torch
from kept_rows import KeptRows, machine, put_between_marks
from mining_tables import kinds_table, null_table, planted_table
from planted import Case
from proof import precision, targets_of

from modeldiff.attribution.gradients import influences
from modeldiff.core import rng
from modeldiff.dataset import as_float
from modeldiff.mining import evidence, heat, search, split
from modeldiff.mining.feature import KINDS, Feature
from modeldiff.mining.sides import Side
from modeldiff.proof import of_difference, sets
from modeldiff.training import Member, TrainedModels, train

ROWS = Path(__file__).parents[1] / "docs" / "mining.jsonl"
FINDING, PROVING = 5, 10  # models of each recipe
IMAGES, CROPS, STEPS = 200, 1000, 100  # the workflow's defaults
REMOVAL, REMOVED_MODELS = 0.02, 4  # share of training images left out; models of each
PROPOSALS = 2  # by either kind of influence
WIDTH = 5
SIDES = ("plain", "masked")


def square(side: int) -> Callable[[np.ndarray], np.ndarray]:
    """Where a square in the top left corner lies."""

    def place(shape: np.ndarray) -> np.ndarray:
        inside = np.zeros(shape, bool)
        inside[:side, :side] = True
        return inside

    return place


# kind, planted training images, the feature, its place where it has one
KINDS_PLANTED = {
    "watermark": (12, planted.corner, square(2)),
    "rare subclass": (12, planted.negative, None),
    "photos, texture": (12, planted.checkered, None),
    "photos, colour": (12, planted.yellow, square(3)),
    "photos, scattered": (48, planted.scattered, None),
}
NULLS = {"watermark": 15, "photos, colour": 10}  # pairs of each


def trained(case: Case, name: str, seed: int) -> list[TrainedModels]:
    """Models on all training images, in groups of `WIDTH`."""
    everything = np.arange(len(case.train.labels))
    members = [Member((seed, name, "full", m), everything) for m in range(FINDING + PROVING)]
    return list(train(case.algorithm(name), case.train, case.classes, members, width=WIDTH))


def weights_of(case: Case, groups: list[list[TrainedModels]], named: bool) -> list[np.ndarray]:
    """Directions as weights of training images: proposed by gradients of the models that features
    are found with, or the group itself.
    """
    if named:
        return [case.train_truth.astype(float)]
    of_both: list[dict[str, list[np.ndarray]]] = []
    for some in groups:
        values: dict[str, list[np.ndarray]] = {"influence": [], "predictive": []}
        for group in some[: FINDING // WIDTH]:
            for part in influences(group, case.train, targets_of(case)):
                values["influence"].append(part.values.numpy())
                values["predictive"].append((part.values * part.wrong).numpy())
        of_both.append(values)
    found = []
    for source in of_both[0]:
        of_a, of_b = (np.mean(values[source], axis=0) for values in of_both)
        proposals = of_difference(of_a, of_b, source, PROPOSALS)
        found += [proposal.examples for proposal in proposals]
    return found


def mined(kind: str, seed: int, names: tuple[str, str], named: bool = False) -> dict[str, Any]:
    """One run: of each direction what was found, and how far it moves both."""
    k, feature, place = KINDS_PLANTED[kind]
    case = planted.case(kind, k, seed, names)
    groups = [trained(case, name, seed) for name in names]
    weights = weights_of(case, groups, named)
    counted = len(weights)  # in the correction
    if names == SIDES:
        weights = weights[:1]  # which is fixed in advance; the others would be mined likewise
    finders = [Side(some[: FINDING // WIDTH]) for some in groups]
    provers = [some[FINDING // WIDTH :] for some in groups]
    level = evidence.LEVEL / (len(KINDS) * counted)
    start = time.process_time()
    found = []
    for number, one in enumerate(weights):
        identity = (seed, *names, number)
        found.append(direction(case, one, finders, provers, level, identity))
    seconds = time.process_time() - start
    row: dict[str, Any] = {"directions": found, "seconds": seconds}
    if names == SIDES:
        row |= own_effect(case, feature, provers)
        row["removal"] = removed(case, names, weights[0], found[0], seed)
        row["first"] = first(found[0], row["removal"]["plain"])
        for one in found:
            if place is not None:
                one |= located(one, place(case.train.images.shape[2:]))
    for one in found:
        del one["masks"], one["heat"], one["mined"], one["unseen"]
    return row


def direction(
    case: Case,
    weights: np.ndarray,
    finders: list[Side],
    provers: list[list[TrainedModels]],
    level: float,
    identity: tuple[rng.Key, ...],
) -> dict[str, Any]:
    """What is mined of a direction."""
    of = search.direction_of(weights, case.train.labels)
    verification = np.setdiff1d(np.arange(len(case.test.labels)), case.targets)
    images = split.split(case.targets, verification, case.test.labels, of.label, IMAGES, *identity)
    sources = as_float(case.train.images[of.sources])
    to_find = as_float(case.test.images[images.find])
    to_choose = as_float(case.test.images[images.choose])
    mining = search.mine(
        *finders,
        of,
        sources,
        to_find,
        to_choose,
        most_crops=CROPS,
        steps=STEPS,
        identity=identity,
    )
    hot = heat.heat(*finders, sources, to_find.mean(0), of.label).mean(0)
    unseen = as_float(case.test.images[images.prove])
    sides = [evidence.measure(side, mining.features, unseen, of.label) for side in provers]
    last = len(evidence.STRENGTHS) - 1
    proved = [evidence.evidence(*sides, i, last, level) for i in range(len(KINDS))]
    changes = [search.change(feature, to_choose) for feature in mining.features]
    return {
        "ap": precision(case.train_truth, weights),
        "label": of.label,
        "effects": [effects(one) for one in proved],
        "features": [said(feature) for feature in mining.features],
        "found": [one.found for one in proved],
        "changes": changes,
        "mined": mining.features,
        "unseen": unseen,
        "masks": [feature.mask for feature in mining.features],
        "heat": hot,
    }


def removed(
    case: Case, names: tuple[str, str], weights: np.ndarray, one: dict[str, Any], seed: int
) -> dict[str, list[list[float]]]:
    """How far each feature moves new models of both, without as many random images as the
    direction's strongest, and without those; and the lower end of the fall's interval.
    """
    labels = case.train.labels
    most = max(REMOVAL, case.train_truth.mean())
    group = sets.strongest(weights, labels, most)
    level = evidence.LEVEL / (len(names) * max(1, sum(one["found"])))
    moved = {}
    for name in names:
        identity = (seed, "removal", name)
        shown = []
        for place, chosen in enumerate(sets.with_and_without(group, labels, *identity)):
            examples = np.flatnonzero(chosen)
            members = [Member((*identity, place, m), examples) for m in range(REMOVED_MODELS)]
            groups = train(case.algorithm(name), case.train, case.classes, members, width=WIDTH)
            shown.append(evidence.measure(groups, one["mined"], one["unseen"], one["label"]))
        moved[name] = []
        for place in range(len(KINDS)):
            said = evidence.evidence(*shown, place, len(evidence.STRENGTHS) - 1, level)
            moved[name].append([said.mover.value, said.other.value, said.difference.low])
    return moved


def first(one: dict[str, Any], removal: list[list[float]]) -> int | None:
    """The feature that the page would show first."""
    falls = []
    differences = []
    for found, effects, left_out in zip(one["found"], one["effects"], removal, strict=True):
        random, group, low = left_out
        falls.append(random - group if found and low > 0 else np.nan)
        differences.append(effects[0] - effects[1] if found else np.nan)
    return evidence.first_shown(KINDS, falls, differences, one["changes"])


def effects(one: evidence.Evidence) -> list[float]:
    """Of both, and the interval of the difference."""
    return [one.mover.value, one.other.value, one.difference.low, one.difference.high]


def said(feature: Feature) -> str:
    if feature.setting is not None:
        part, strength = feature.setting
        return f"{part.name} {part.options or ''} {strength:g}"
    return f"{feature.box}{' anywhere' if feature.anywhere else ''}"


def own_effect(
    case: Case, feature: planted.Feature, provers: list[list[TrainedModels]]
) -> dict[str, Any]:
    """How far the planted feature itself moves both, on the images that others are proved on."""
    verification = np.setdiff1d(np.arange(len(case.test.labels)), case.targets)
    unseen = as_float(case.test.images[verification[case.test.labels[verification] != 3]])
    moved = []
    for groups in provers:
        side = Side(groups)
        after = side.probability(feature(unseen.copy()), 3)
        moved.append(float((after - side.probability(unseen, 3)).mean()))
    return {"own": moved}


def located(one: dict[str, Any], truth: np.ndarray) -> dict[str, Any]:
    """How well the patch, the learned patch and the heat say where the planted pixels are.

    Intersection over union; of the heat the share of the planted pixels among the hottest tenth,
    or as many as are planted, if those are more.
    """
    ious = []
    for mask in one["masks"][:2]:
        inside = mask > 0.5
        union = (inside | truth).sum()
        ious.append(float((inside & truth).sum() / union))
    hottest = max(truth.sum(), round(truth.size / 10))
    order = np.argsort(-one["heat"].ravel(), kind="stable")[:hottest]
    return {"iou": ious, "heat_share": float(truth.ravel()[order].sum() / truth.sum())}


def plan(seeds: int) -> Iterator[dict[str, Any]]:
    """What is run, in this order: what takes longest comes last."""
    *quick, slow = KINDS_PLANTED
    for seed in range(seeds):
        for kind in quick:
            yield {"what": "planted", "kind": kind, "seed": seed}
    for kind, pairs in NULLS.items():
        for seed in range(pairs):
            yield {"what": "null", "kind": kind, "seed": seed}
    for seed in range(seeds):
        yield {"what": "planted", "kind": slow, "seed": seed}


def run(key: dict[str, Any]) -> dict[str, Any]:
    names = SIDES if key["what"] == "planted" else ("plain", "plain2")
    named = key["kind"] == "photos, scattered"
    return mined(key["kind"], key["seed"], names, named)


def write(rows: list[dict[str, Any]], page: Path) -> None:
    """Put the tables between their marks."""
    made = (
        f"{FINDING} models of each recipe find and choose, {PROVING} prove; at most {IMAGES} "
        f"images to find on, {CROPS} patches, {STEPS} steps; {REMOVED_MODELS} models of each "
        f"without {REMOVAL:.0%} of the training images (or the planted group, if it is larger). "
        f"{machine()}."
    )
    lines = planted_table(rows, {kind: k for kind, (k, *_) in KINDS_PLANTED.items()})
    lines += ["", *kinds_table(rows, KINDS_PLANTED), "", *null_table(rows, NULLS), "", made]
    put_between_marks(page, "tables", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    for key in kept.missing(plan(options.seeds)):
        start = time.process_time()
        row = key | run(key)
        row["all_seconds"] = time.process_time() - start
        kept.add(row)
        for one in row["directions"]:
            print(key, json.dumps(one))
        print(row.get("own"), f"{row['seconds']:.1f} of {row['all_seconds']:.1f} s", flush=True)
    if options.output:
        write(kept.rows, options.output)


if __name__ == "__main__":
    main()
