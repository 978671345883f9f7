"""The images of the first screen, and what it says of a planted difference."""

from typing import Any

from modeldiff.report import marked, page_content
from modeldiff.report.pairs import Pair
from modeldiff.report.results import Results
from modeldiff.report.verdict import Verdict

SHOWN = 8  # images of a strip
PIXELS = 64  # images up to this side are enlarged as the squares they are


def strips(results: Results, verdict: Verdict) -> dict[str, Any]:
    """Training images of what is shown, and others of the same classes; empty if nothing is."""
    pair = results.pairs[verdict.pair]
    way = pair.ways[verdict.way]
    training = results.data.kind.said("Training images")
    if verdict.stands_out and verdict.shown != "group":
        strip = page_content.direction_strips(results.data, way, 0)[0]
        title = f"{training} that matter more to {way.first} than to {way.second}"
    elif verdict.proved:
        strip = page_content.proposal_strips(results.data, verdict.proved.proposal)[0]
        title = f"{training} that move {verdict.proved.follower}"
    elif not way.explained_by_chance(0):
        strip = page_content.direction_strips(results.data, way, 0)[0]
        title = f"{training} of direction 1 of {way.first} minus {way.second}, untested"
    else:
        return {}
    examples = [example for example, _ in strip["examples"][:SHOWN]]
    shown = [still(results, "train", example, pair) for example in examples]
    others = [still(results, "train", example) for example, _ in strip["others"][:SHOWN]]
    any_marked = any(("train", example) in pair.marks for example in examples)
    return {"title": title, "shown": shown, "others": others, "marked": any_marked}


def still(results: Results, split: str, example: int, pair: Pair | None = None) -> dict[str, Any]:
    """An image of `train` or `test` that is seen without JavaScript, too.

    pair: whose marks it has.
    """
    data = getattr(results.data, split)
    marks = marked.highlights(pair, results.data, split, example) if pair else []
    label = int(data.labels[example])
    planted = (results.planted or {}).get(f"{split}_examples", [])
    return {
        "split": "training" if split == "train" else split,
        "index": example,
        "rendered": results.renderer.still(data.images[example], label, marked=marks),
        "label": results.data.classes[label],
        "planted": example in planted,
        "pixels": max(data.images.shape[2:], default=0) <= PIXELS,
    }


def planted(results: Results, summary: dict[str, Any]) -> dict[str, Any] | None:
    """What was planted in the data, and how much of it the page has found."""
    plant = results.study.plant
    score = summary["planted"]
    if plant is None or score is None:
        return None
    way = results.pairs[0].ways[0]
    rank = score["rank"]
    examples = score["train_examples"]
    strongest = way.train_high[rank - 1][: len(examples)].tolist()
    hits = len(set(strongest) & set(examples))
    if way.explained_by_chance(rank - 1):
        found = "No direction that stands out names them."
    else:
        found = (
            f"Of the {len(strongest)} strongest training {results.data.kind.many} of direction "
            f"{rank} ({way.first} minus {way.second}), {hits} are planted ones."
        )
    return {
        "feature": plant.feature.name,
        "label": plant.label,
        "train": len(examples),
        "test": len(score["test_examples"]),
        "found": found,
    }
