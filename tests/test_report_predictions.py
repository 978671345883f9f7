"""What the page says of predictions: accuracy, by class, and where two algorithms disagree."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from modeldiff.report import page, page_content, predictions, summary
from modeldiff.report.histograms import chance as chance_chart

pytest_plugins = ["report_fixtures"]

LABELS = np.array([0, 0, 1, 1, 2])


def models(*rows):
    return predictions.of_classes(np.array(rows, np.int32), LABELS)


def test_shares_are_those_of_the_predicted_classes():
    said = models([0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [0, 1, 1, 1, 0])
    np.testing.assert_allclose(said.accuracy, [1, 0.6, 0.6])
    np.testing.assert_allclose(said.right, [1, 1 / 3, 1, 2 / 3, 2 / 3])
    assert said.votes(1) == [(1, 2), (0, 1)]
    assert said.models == 3


def test_margins_tell_no_class_and_nothing_of_other_images():
    said = predictions.of_margins(np.array([0.5, np.nan]), np.array([0.25, 1]), np.array([0, 3]), 5)
    np.testing.assert_equal(said.right, [0.25, np.nan, np.nan, 1, np.nan])
    assert said.votes(0) == []
    assert said.models == 1


def test_accuracy_by_class_leaves_out_classes_without_images():
    a = models([0, 0, 1, 1, 2])
    b = models([0, 1, 1, 1, 0])
    rows = predictions.by_class(a, b, LABELS, ("x", "y", "z", "none"))
    assert [(row.name, row.images, row.a, row.b) for row in rows] == [
        ("x", 2, 1, 0.5),
        ("y", 2, 1, 1),
        ("z", 1, 1, 0),
    ]


def drawn(rng, right, models=30):
    """Two-class predictions of images of class 0, right with a given probability each."""
    wrong = rng.random((models, len(right))) > right
    return predictions.of_classes(wrong.astype(np.int32), np.zeros(len(right), int))


def test_the_gap_in_accuracy_covers_no_difference():
    """At 95% or more in truth: below this count only by a chance of one in a thousand."""
    runs = 200
    held = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        hard = rng.random(100)
        gap = predictions.accuracy_gap(drawn(rng, hard), drawn(rng, hard))
        held += not gap.differ
    assert held >= stats.binom.ppf(0.001, runs, 0.95)


def test_a_gap_in_accuracy_is_seen():
    rng = np.random.default_rng(0)
    gap = predictions.accuracy_gap(drawn(rng, np.full(100, 0.9)), drawn(rng, np.full(100, 0.7)))
    assert gap.differ
    assert gap.low < 0.2 < gap.high


def test_disagreement_is_more_than_chance_gives_and_the_largest_comes_first():
    rng = np.random.default_rng(1)
    right = np.full(200, 0.8)
    other = right.copy()
    other[[7, 50]] = [0.0, 0.1]
    assert predictions.disagreed(drawn(rng, right), drawn(rng, other)).tolist() == [7, 50]
    any_found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        any_found += len(predictions.disagreed(drawn(rng, right), drawn(rng, right))) > 0
    assert any_found <= stats.binom.ppf(0.999, 100, 0.05)


def test_the_page_gives_accuracy_by_class_and_marks_what_is_planted(loaded):
    html = page.render(loaded, summary.summarise(loaded)).split("<main>")[1]
    said = loaded.predictions["plain"]
    predicted = np.load(loaded.folder / "plain/predicted.npy")
    labels = loaded.data.test.labels
    assert predicted.shape == (4, len(labels))
    np.testing.assert_allclose(said.accuracy, (predicted == labels).mean(1))
    share = f"<strong>{said.accuracy.mean():.0%}</strong> of the test images right"
    assert share in html
    assert "What was planted?" in html
    assert f"Of the {len(loaded.planted['test_examples'])} planted test images" in html


def test_what_only_margins_tell_is_said_as_it_is(loaded):
    known = {}
    for name, one in loaded.algorithms.items():
        known[name] = predictions.of_margins(
            one.accuracy, one.above, loaded.data.targets, len(loaded.data.test.labels)
        )
    changed = dataclasses.replace(loaded, predictions=known)
    html = page.render(changed, summary.summarise(changed)).split("<main>")[1]
    assert "gives the right class of" in html
    assert "more than half the probability" in html
    assert "Which classes they predict was not kept" in html
    assert "Right class above half the probability, by class" in html
    assert "ccuracy by class" not in html
    assert "is better" not in html
    drawn = page_content.collect(changed)["charts"]["accuracy-0"]
    assert "ccuracy" not in str(drawn)
    assert summary.summarise(changed)["algorithms"]["plain"]["full_data"] is None
    unknown = dataclasses.replace(loaded, predictions={})
    html = page.render(unknown, summary.summarise(unknown)).split("<main>")[1]
    assert "is not known here" in html
    assert "What they predict" not in html


def test_features_are_shown_on_images_that_do_not_have_them(loaded):
    target = loaded.data.classes.index("3")
    chosen = page._samples(loaded, target)
    assert len(chosen) == page.SAMPLES
    assert set(chosen) <= set(loaded.data.verification)
    assert not set(chosen) & set(loaded.planted["test_examples"])
    assert (loaded.data.test.labels[chosen] != target).all()


def test_beside_images_stand_others_of_their_classes_with_scores_next_to_nothing():
    labels = np.array([0, 0, 0, 1, 1, 0])
    scores = {0: 0.9, 1: 0.1, 2: -0.01, 3: 0.8, 4: 0.3, 5: 0.2}
    assert page_content.alike([0, 3], scores, labels) == [2, 4]
    assert page_content.alike([3, 4], scores, labels) == []


def test_the_picture_of_chance_is_the_test_itself(loaded):
    chance = loaded.pairs[0].chance
    above = int((chance.exchanged >= chance.strongest).sum())
    strongest = min(way.p_value.min() for way in loaded.pairs[0].ways)
    assert len(chance.exchanged) == 19
    assert strongest == pytest.approx((1 + above) / 20)
    spec = chance_chart(chance)
    assert sum(bar["n"] for bar in spec["data"]["values"]) == 19
    assert spec["layer"][1]["data"]["values"][0]["x"] == chance.strongest


def test_models_of_one_recipe_rarely_seem_to_disagree_more_across_than_within():
    random = np.random.default_rng(0)
    labels = np.zeros(300, np.int64)
    everything = np.ones(300, bool)
    hard = random.random(300) < 0.3  # images on which each model errs half of the time
    alarms = 0
    for _ in range(200):
        answers = (hard & (random.random((6, 300)) < 0.5)).astype(np.int32)
        a, b = (predictions.of_classes(half, labels) for half in (answers[:3], answers[3:]))
        alarms += predictions.disagreement(a, b, everything).beyond_seeds
    assert alarms <= 12  # 5 are to be expected at 2.5%
    answers[:3, ~hard] = 1  # another recipe
    a, b = (predictions.of_classes(half, labels) for half in (answers[:3], answers[3:]))
    apart = predictions.disagreement(a, b, everything)
    assert apart.beyond_seeds
    assert apart.between == pytest.approx((answers[:3, None] != answers[None, 3:]).mean())
    assert set(np.flatnonzero(~hard)) <= set(predictions.other_answers(a, b).tolist())
