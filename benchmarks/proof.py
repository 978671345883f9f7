"""Is what was planted proposed and proved, and is nothing proved where nothing differs?

Differences of known kind (`planted.py`), k planted training images, one run for each seed:
gradients of a few models on all data propose, models on opposite halves prove. `plain` is compared
with `masked`, which cannot see what was planted, and with a replica of itself. Beside it the
contrast, by models on random halves, at several sizes. CPU seconds count everything: training,
gradients, decompositions, tests. Rows are kept in docs/proof.jsonl, so that a run that was cut goes
on.

    python benchmarks/proof.py --seeds 20 --nulls 50 --output docs/proof.md
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import planted
import torch
from kept_rows import KeptRows, machine, put_between_marks
from planted import Case
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from modeldiff import comparison, subsets
from modeldiff.attribution.gradients import influences
from modeldiff.dataset import Images
from modeldiff.proof import Proposal, of_difference, opposite_halves, prove
from modeldiff.proof.effect import Retrained, Round
from modeldiff.study import kinds
from modeldiff.training import Member, train
from modeldiff.training.shard import margin

ROWS = Path(__file__).parents[1] / "docs" / "proof.jsonl"
PROPOSERS, PROPOSALS, MODELS, ROUNDS = 5, 2, 3, 3  # the workflow's defaults
FOUND, LEVEL = 0.9, 0.01  # average precision; p-value, corrected for all proposals
KINDS = [
    ("watermark", 12),
    ("watermark", 6),
    ("watermark", 24),
    ("watermark", 48),
    ("watermark", 96),
    ("rare subclass", 12),
    ("watermark, own label", 60),
    ("label noise", 12),
    ("photos, watermark", 12),
    ("photos, texture", 12),
    ("photos, colour", 12),
]
NULLS = [("watermark", 12), ("photos, watermark", 12)]
# Recipes that differ from `plain` in the size of margins and perhaps in nothing else.
SIZES = ("smoothed", "decayed", "longer")
CONTRASTS = (400, 750, 1500)  # models of each algorithm
SIDES = ("plain", "masked")


def targets_of(case: Case) -> Images:
    return Images(case.test.images[case.targets], case.test.labels[case.targets])


def margins_of(case: Case, name: str, members: list[Member], width: int) -> np.ndarray:
    """Log-odds of the targets under models of a recipe: float32 [models x targets]."""
    targets = targets_of(case)
    images, labels = kinds.unpacked(targets.images), torch.from_numpy(targets.labels)
    rows = []
    for group in train(case.algorithm(name), case.train, case.classes, members, width=width):
        rows.append(margin(group.logits(images), labels, "log_odds").numpy())
    return np.concatenate(rows)


def influence_of(case: Case, name: str, seed: int) -> dict[str, np.ndarray]:
    """Mean influences over models on all training images, both kinds: [targets x train]."""
    everything = np.arange(len(case.train.labels))
    members = [Member((seed, name, "full", m), everything) for m in range(PROPOSERS)]
    plain, predictive = [], []
    groups = train(case.algorithm(name), case.train, case.classes, members, width=PROPOSERS)
    for group in groups:
        for part in influences(group, case.train, targets_of(case)):
            plain.append(part.values.numpy())
            predictive.append((part.values * part.wrong).numpy())
    return {"influence": np.mean(plain, axis=0), "predictive": np.mean(predictive, axis=0)}


def proposed_and_proved(
    case: Case, seed: int, names: tuple[str, str], margins: str = "relative"
) -> dict[str, Any]:
    """One run: of each proposal its average precisions, p-value and verdict."""
    start = time.process_time()
    of_a, of_b = (influence_of(case, name, seed) for name in names)
    proposals = []
    for source in of_a:
        proposals += of_difference(of_a[source], of_b[source], source, PROPOSALS)
    proposing = time.process_time() - start
    tested: list[list[Round]] = [[] for _ in proposals]
    undecided = [True] * len(proposals)
    for number in range(1, ROUNDS + 1):
        for place, proposal in enumerate(proposals):
            if undecided[place]:
                models = round_of(
                    case=case,
                    names=names,
                    proposal=proposal,
                    identity=(seed, number, place),
                    relative=margins == "relative",
                )
                tested[place].append(models)
        proofs = prove(tested)
        undecided = [proof.verdict == "open" for proof in proofs]
    seconds = time.process_time() - start
    rows = []
    for proposal, proof in zip(proposals, proofs, strict=True):
        rows.append(
            {
                "source": proposal.source,
                "train_ap": precision(case.train_truth, proposal.examples),
                "test_ap": precision(case.test_truth, proposal.targets),
                "a": proof.a.value,
                "b": proof.b.value,
                "difference": proof.difference.value,
                "low": proof.difference.low,
                "high": proof.difference.high,
                "p": proof.p_value,
                "adjusted": proof.adjusted,
                "verdict": proof.verdict,
                "rounds": proof.rounds,
            }
        )
    trained = 2 * PROPOSERS + 4 * MODELS * sum(map(len, tested))
    return {"proposals": rows, "seconds": seconds, "proposing": proposing, "trained": trained}


def round_of(
    case: Case,
    names: tuple[str, str],
    proposal: Proposal,
    identity: tuple[int, int, int],
    relative: bool,
) -> Round:
    """Models of both recipes on the opposite halves of a proposal. identity: seed, round, place."""
    halves = opposite_halves(proposal.examples, case.train.labels)
    sides = []
    for name in names:
        members = []
        for half, chosen in enumerate(halves):
            examples = np.flatnonzero(chosen)
            for model in range(MODELS):
                members.append(Member((name, "retrained", *identity, half, model), examples))
        margins = margins_of(case, name, members, len(members))
        high, low = margins[:MODELS], margins[MODELS:]
        sides.append(Retrained.of(high, low, proposal.targets, relative=relative))
    return sides[0], sides[1]


def precision(truth: np.ndarray, weights: np.ndarray) -> float:
    """Average precision at the end of the weights where it is larger: the group lies at either."""
    ends = [average_precision_score(truth, sign * weights) for sign in (1, -1)]
    return float(max(ends))


def contrasted(kind: str, k: int, seed: int, models: int) -> dict[str, Any]:
    """The contrast of models on random halves: the better of the first two directions."""
    case = planted.case(kind, k, seed, SIDES)
    start = time.process_time()
    masks = subsets.draw(len(case.train.labels), range(models), 0.5, seed)
    margins = []
    for name in SIDES:
        members = [Member((seed, name, m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
        margins.append(margins_of(case, name, members, 125))
    found = comparison.contrast(masks, *margins, directions=2, seed=seed)
    seconds = time.process_time() - start
    precisions = [precision(case.train_truth, v) for v in found.directions]
    best = int(np.argmax(precisions))
    return {
        "train_ap": precisions[best],
        "adjusted": float(found.p_value[best]),
        "seconds": seconds,
        "trained": 2 * models,
    }


def plan(seeds: int, nulls: int, contrasts: int) -> Iterator[dict[str, Any]]:
    """What is run, in this order."""
    for kind, k in KINDS:
        for seed in range(seeds if (kind, k) == KINDS[0] else (seeds + 1) // 2):
            yield {"what": "planted", "kind": kind, "k": k, "seed": seed}
    for kind, k in NULLS:
        for seed in range(nulls):
            yield {"what": "null", "kind": kind, "k": k, "seed": seed}
    for name in SIZES:
        for margins in ("relative", "absolute"):
            for seed in range(seeds // 2):
                what = f"plain and {name}, {margins}"
                yield {"what": what, "kind": "watermark", "k": 12, "seed": seed}
    for models in CONTRASTS:
        for seed in range(contrasts):
            yield {"what": f"contrast, {models:,} models", "kind": "watermark", "k": 12} | {
                "seed": seed
            }


def run(key: dict[str, Any]) -> dict[str, Any]:
    what, of = key["what"], (key["kind"], key["k"], key["seed"])
    if what.startswith("contrast"):
        models = int(what.split()[1].replace(",", ""))
        return contrasted(*of, models)
    if what.startswith("plain and"):
        name, margins = what.removeprefix("plain and ").split(", ")
        names = ("plain", name)
        return proposed_and_proved(planted.case(*of, names), key["seed"], names, margins)
    names = SIDES if what == "planted" else ("plain", "plain2")
    return proposed_and_proved(planted.case(*of, names), key["seed"], names)


def best(row: dict[str, Any]) -> dict[str, Any]:
    """The proposal that names the plant best; a contrast has no more than its own."""
    proposals = row.get("proposals")
    known = proposals if isinstance(proposals, list) else [row]
    return max(known, key=lambda one: one["train_ap"])


def wilson(hits: int, n: int) -> str:
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits} of {n} [{interval.low:.2f}, {interval.high:.2f}]"


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    lines = [
        f"| planted | images | runs | proved (p <= {LEVEL}) with AP >= {FOUND} | train AP, median "
        "(least) | test AP, median | trainings of each algorithm, median | CPU seconds, median |",
        "|---|---|---|---|---|---|---|---|",
    ]
    everything = pd.DataFrame(rows)
    alike = everything["what"].str.startswith("plain and")
    known = everything[(everything["what"] != "null") & ~alike]
    for (what, kind, k), group in known.groupby(["what", "kind", "k"], sort=False):
        bests = [best(row) for row in group.to_dict("records")]
        train_ap = np.array([one["train_ap"] for one in bests])
        proved = sum(one["adjusted"] <= LEVEL and one["train_ap"] >= FOUND for one in bests)
        test_ap = [one.get("test_ap", np.nan) for one in bests]
        label = "propose and prove" if what == "planted" else what
        shown = "-" if np.isnan(test_ap).all() else f"{np.median(test_ap):.2f}"
        lines.append(
            f"| {kind} | {k} | {label} | {wilson(proved, len(bests))} | "
            f"{np.median(train_ap):.2f} ({train_ap.min():.2f}) | {shown} | "
            f"{group.trained.median() / 2:.0f} | {group.seconds.median():.1f} |"
        )
    lines += [
        "",
        "| nothing differs | pairs | any proposal at 5% | one proposal "
        "alone at 5% | intervals of differences that hold 0 |",
        "|---|---|---|---|---|",
    ]
    for kind, group in everything[everything["what"] == "null"].groupby("kind", sort=False):
        proposals = [one for row in group.proposals for one in row]
        any_proved = sum(min(one["adjusted"] for one in row) <= 0.05 for row in group.proposals)
        alone = sum(one["p"] <= 0.05 for one in proposals)
        hold = sum(one["low"] <= 0 <= one["high"] for one in proposals)
        lines.append(
            f"| {kind} | {len(group)} | {wilson(any_proved, len(group))} | "
            f"{wilson(alone, len(proposals))} | {wilson(hold, len(proposals))} |"
        )
    lines += [
        "",
        "| also size of margins | margins compared | seeds | proposals | only one follows, or in "
        "opposite ways | one follows further | alike | not decided |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for what, group in everything[alike].groupby("what", sort=False):
        name, margins = what.removeprefix("plain and ").split(", ")
        verdicts = pd.Series([one["verdict"] for row in group.proposals for one in row])
        count = verdicts.value_counts()
        cells = [count.get("only", 0) + count.get("opposite", 0)]
        cells += [count.get(verdict, 0) for verdict in ("more", "alike", "open")]
        shown = " | ".join(map(str, cells))
        lines.append(f"| {name} | {margins} | {len(group)} | {len(verdicts)} | {shown} |")
    return lines


def write(rows: list[dict[str, Any]], page: Path) -> None:
    """Put the tables between their marks."""
    settings = (
        f"{PROPOSERS} models of each algorithm propose, {PROPOSALS} proposals by either kind of "
        f"influence, {MODELS} models of each algorithm on either half in a round, {ROUNDS} rounds "
        "at most"
    )
    put_between_marks(page, "tables", [*tables(rows), "", f"{settings}; {machine()}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="of the first case; half of others")
    parser.add_argument("--nulls", type=int, default=50, help="pairs of each kind")
    parser.add_argument("--contrasts", type=int, default=5, help="seeds of each size")
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    for key in kept.missing(plan(options.seeds, options.nulls, options.contrasts)):
        row = key | run(key)
        kept.add(row)
        one = best(row)
        print(key, f"AP {one['train_ap']:.2f} p {one['adjusted']:.1e} {row['seconds']:.1f} s")
    if options.output:
        write(kept.rows, options.output)


if __name__ == "__main__":
    main()
