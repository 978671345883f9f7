"""What the first screen of the report says of a feature, and from which side it looks."""

import dataclasses
import math

import numpy as np
import pytest

from modeldiff.proof.proposals import Proposal
from modeldiff.proof.step import COLUMNS
from modeldiff.report import page, summary
from modeldiff.report.proofs import Proved
from modeldiff.report.provenance import differences
from modeldiff.report.verdict import Tested as Feature
from modeldiff.report.verdict import verdict

pytest_plugins = ["report_fixtures"]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((8.2, 7.9, 8.4), (2.2, 2.1, 2.4), "a moves by 7.9 points or more, b by 2.4 at most: "
         "ratio 3.7, at least 3.3; it moves both"),
        ((-8.2, -8.4, -7.9), (-2.2, -2.4, -2.1), "a moves by 7.9 points or more, b by 2.4 at most: "
         "ratio 3.7, at least 3.3; it moves both"),
        ((70, 65, 75), (0.1, -0.2, 0.4), "a moves by 65.0 points or more, b by 0.4 at most, or "
         "not at all: this feature is seen to move a alone"),
        ((73, 66, 80), (0, 0, 0), "a moves by 66.0 points or more, b not at all: this feature "
         "moves a alone"),
        ((70, 65, 75), (-3, -5, -1), "a moves by 65.0 points or more, b the other way: the two "
         "differ in this"),
        ((17, 14, 20), (12, 9, 15), "the intervals overlap, so this feature is not shown to tell "
         "the two apart"),
        ((6, -1, 13), (-3, -4, -2), "the intervals lie apart, but a is not shown to move"),
    ],
)  # fmt: skip
def test_a_feature_is_exclusive_or_not(first, second, words):
    rows = [
        dict(zip(("effect", "low", "high"), (x / 100 for x in of), strict=True)) | {"algorithm": n}
        for n, of in zip("ab", (first, second), strict=True)
    ]
    assert Feature("dog", "dog", *rows).words == words


def test_the_verdict_follows_the_feature(loaded):
    opening = verdict(loaded)
    effects = {
        e["algorithm"]: e for e in summary.summarise(loaded)["effects"] if e["strength"] == 1
    }
    assert opening.tested.mover["effect"] == effects["plain"]["effect"]
    assert (opening.pair, opening.way) == (0, 0)
    assert opening.tested.apart == (effects["plain"]["low"] > effects["masked"]["high"])
    touching = dataclasses.replace(
        opening.tested, mover={"low": 0.1, "high": 0.3}, other={"low": 0.0, "high": 0.1}
    )
    assert not touching.apart


def test_the_page_opens_with_the_way_that_stands_out(loaded):
    (pair,) = loaded.pairs
    chance, more = (np.full(len(pair.ways[0].significant), value) for value in (False, True))
    for shown, way in (((chance, more), 1), ((more, chance), 0), ((chance, chance), 0)):
        ways = [
            dataclasses.replace(w, significant=s) for w, s in zip(pair.ways, shown, strict=True)
        ]
        seen = dataclasses.replace(loaded, pairs=(dataclasses.replace(pair, ways=tuple(ways)),))
        assert verdict(seen).way == way


def test_what_is_shown_is_a_feature_else_a_group_else_a_direction(loaded):
    opening = verdict(loaded)
    group = proved("more", a=6.0, b=2.0)
    overlapping = dataclasses.replace(
        opening.tested,
        mover=opening.tested.mover | {"low": -0.1, "high": 0.9},
    )
    sure = dataclasses.replace(
        opening.tested,
        mover=opening.tested.mover | {"low": 0.5, "high": 0.9},
        other=opening.tested.other | {"low": 0.0, "high": 0.1},
    )
    both = {"proved": group, "stands_out": True}
    assert dataclasses.replace(opening, tested=sure, **both).shown == "feature"
    assert dataclasses.replace(opening, tested=overlapping, **both).shown == "group"
    assert dataclasses.replace(opening, tested=None, **both).shown == "group"
    alone = dataclasses.replace(opening, tested=overlapping, proved=None, stands_out=True)
    assert alone.shown == "direction"
    assert dataclasses.replace(alone, stands_out=False).shown == "nothing"


def test_the_third_sentence_prefers_what_training_again_proves_to_a_direction(loaded):
    (pair,) = loaded.pairs
    study = dataclasses.replace(loaded.study, transformations={})
    proofs = (proved("more", a=6.0, b=2.0),)
    proving = dataclasses.replace(pair, proofs=proofs, effects=pair.effects[:0])
    seen = dataclasses.replace(loaded, study=study, pairs=(proving,))
    html = page.render(seen, summary.summarise(seen)).split("<main>")[1]
    assert "Shown by training again:" in html
    assert "<strong>3.0 times as far as</strong>" in html
    assert "shows 1 of 1 proposed differences" in html


def proved(verdict, a, b):
    """A proposal of training images and what retraining says of it."""
    rng = np.random.default_rng(0)
    row = dict.fromkeys(COLUMNS, 0.01) | {"proposal": 1, "verdict": verdict, "needed": math.nan}
    for side, value in (("a", a), ("b", b), ("difference", a - b)):
        row |= {side: value, f"{side}_low": value - 1, f"{side}_high": value + 1}
    examples = rng.normal(size=1200).astype(np.float32)
    proposal = Proposal(
        examples=examples, targets=rng.normal(size=448).astype(np.float32), source="x", share=0.1
    )
    return Proved("plain", "masked", proposal, row, ())


def test_the_page_says_what_the_pair_it_opens_with_differs_in(loaded):
    crop = {"name": "random_resized_crop", "min_scale": 0.3, "size": None}
    recipe = loaded.study.config["algorithms"]["plain"] | {"augment": []}
    algorithms = {"plain": recipe, "masked": recipe | {"augment": [crop]}}
    algorithms["between"] = recipe | {"epochs": recipe["epochs"] + 1}  # in no pair
    config = loaded.study.config | {"algorithms": algorithms}
    study = dataclasses.replace(loaded.study, config=config)
    crops = "random_resized_crop (min_scale 0.3)"
    assert differences(study, loaded.pairs[0]) == [
        ("augment", {"plain": "nothing", "masked": crops})
    ]


def test_how_many_times_as_far_is_said_only_where_the_other_follows_it_surely():
    assert proved("more", 10, 4).further == "2.5 times as far as"
    assert proved("more", 10, 0.1).further == "further than"
    assert proved("more", 10, 0.1).words == "plain follows it further than masked"
    assert proved("more", -3, -9).words == "masked follows it 3.0 times as far as plain"
