"""Features are found, chosen and proved on images and models of their own."""

import numpy as np
import pytest
import torch

from modeldiff.dataset import as_float
from modeldiff.mining import evidence, search
from modeldiff.mining.crops import crops, sides
from modeldiff.mining.evidence import Moved
from modeldiff.mining.feature import KINDS, Feature
from modeldiff.mining.heat import heat
from modeldiff.mining.learned import learned
from modeldiff.mining.sides import Side
from modeldiff.mining.split import split
from modeldiff.study import Study
from modeldiff.study.components import Component
from modeldiff.training import Member, train
from modeldiff.transformations.library import Setting

FINDING, PROVING = 4, 6
HALF = np.full((20, 1, 8, 8), 0.5, np.float32)


def patch(side, *, anywhere=False):
    mask = np.zeros((8, 8), np.float32)
    mask[1 : 1 + side, 2 : 2 + side] = 1
    return Feature("patch", mask, np.ones((1, 8, 8), np.float32), anywhere=anywhere, source=7)


def test_a_patch_lies_at_its_place_or_anywhere_and_fades_in():
    kept = patch(3).on(HALF)
    assert (kept[:, 0, 1:4, 2:5] == 1).all()
    assert kept.sum() == pytest.approx(20 * (64 + 9) / 2)
    assert patch(3).on(HALF, 0.5).sum() == pytest.approx(20 * (64 + 4.5) / 2)
    scattered = patch(3, anywhere=True).on(HALF)
    assert (scattered.sum((1, 2, 3)) == kept.sum((1, 2, 3))).all()
    assert len({image.tobytes() for image in scattered}) > 10
    np.testing.assert_array_equal(patch(3, anywhere=True).on(HALF)[:5], scattered[:5])
    assert patch(3).box == ((1, 2), (3, 3))


def test_patterns_and_edits_stay_in_range():
    pattern = Feature("learned pattern", np.ones((8, 8), np.float32), np.full((1, 8, 8), 0.7))
    assert (pattern.on(HALF) == 1).all()
    darker = Feature("edit", HALF[0, 0], HALF[0], setting=Setting(Component("darken", {}), 0.25))
    assert (darker.on(HALF) == 0.25).all()


def test_crops_are_squares_of_the_sources_and_no_more_than_wanted():
    sources = np.random.default_rng(0).random((2, 3, 16, 32), np.float32)
    found = crops(sources, [5, 9], 10**6, "key")
    assert sides(16, 32) == [2, 4, 6, 8]
    assert {one.box[1] for one in found} == {(side, side) for side in sides(16, 32)}
    assert {one.box[0] for one in found} >= {(0, 0), (14, 30), (8, 24)}
    assert [one.source for one in found[:2]] == [5, 9]
    few = crops(sources, [5, 9], 30, "key")
    assert len(few) == 30
    assert {one.box for one in few} <= {one.box for one in found}
    assert [one.box for one in few] == [one.box for one in crops(sources, [5, 9], 30, "key")]
    assert [one.box for one in few] != [one.box for one in crops(sources, [5, 9], 30, "other")]


def test_images_are_split_three_ways_without_the_class():
    labels = np.arange(600) % 4
    targets, verification = np.arange(0, 400), np.arange(400, 600)
    three = split(targets, verification, labels, 2, 100, 0, "a")
    assert [len(part) for part in (three.find, three.choose, three.prove)] == [100, 100, 150]
    assert not set(three.find) & set(three.choose)
    assert set(three.find) | set(three.choose) <= set(targets)
    assert set(three.prove) <= set(verification)
    assert not (labels[np.concatenate([three.find, three.choose, three.prove])] == 2).any()
    again = split(targets, verification, labels, 2, 100, 0, "a")
    np.testing.assert_array_equal(again.find, three.find)
    assert set(split(targets, verification, labels, 2, 100, 1, "a").find) != set(three.find)


def moved(models, rng, shift=0.0):
    """Models [models] that move images [50] by noise of both and by `shift`."""
    values = shift + 0.1 * rng.normal(size=(models, 1)) + 0.2 * rng.normal(size=(models, 50))
    return Moved(by_model=values.mean(1)[None, None], by_image=values.mean(0)[None, None])


@pytest.mark.parametrize("models", [5, 15])
def test_models_of_one_recipe_are_told_apart_in_five_percent_of_draws(models):
    rng, runs = np.random.default_rng(0), 1000
    found = 0
    for _ in range(runs):
        both = moved(models, rng), moved(models, rng)
        found += evidence.evidence(*both, 0, 0, evidence.LEVEL).found
    assert found / runs <= 0.04  # one side of an interval of 95%, and a wide one


def test_a_difference_is_found_and_more_attempts_make_intervals_wider():
    rng = np.random.default_rng(1)
    both = moved(10, rng, shift=0.4), moved(10, rng)
    one = evidence.evidence(*both, 0, 0, 0.05)
    many = evidence.evidence(*both, 0, 0, 0.05 / 16)
    assert one.found
    assert many.found
    assert many.difference.low < one.difference.low < one.difference.value
    assert one.difference.value == pytest.approx(one.mover.value - one.other.value)
    none = Moved(np.zeros((1, 1, 1)), np.zeros((1, 1, 50)))
    assert not evidence.evidence(both[0], none, 0, 0, 0.05).found


def test_what_is_shown_first_changes_little_and_is_near_the_largest():
    assert evidence.best([0.9, 0.85, 0.2, np.nan], [0.3, 0.1, 0.01, 0.0]) == 1
    assert evidence.best([0.9, 0.85, 0.2, np.nan], [0.1, 0.3, 0.01, 0.0]) == 0
    assert evidence.best([np.nan, np.nan], [0.1, 0.2]) is None
    assert evidence.best([], []) is None


@pytest.fixture(scope="module")
def trained(repository, data):
    """Models of the planted digits, of the embedded study's recipes: (finding, proving) each."""
    study = Study.read(repository / "config/config.yaml")
    everything = np.arange(len(data.train.labels))
    groups = {}
    for name, recipe in (("plain", "plain"), ("masked", "masked"), ("again", "plain")):
        members = [Member((name, m), everything) for m in range(FINDING + PROVING)]
        parts = [members[:FINDING], members[FINDING:]]
        algorithm = study.algorithms[recipe]
        groups[name] = tuple(
            next(train(algorithm, data.train, 10, part, width=len(part))) for part in parts
        )
    return groups


@pytest.fixture(scope="module")
def planted(data):
    """Weights of the planted training images, which are the direction."""
    marked = (data.train.images[:, 0, :2, :2] == 255).all((1, 2)) & (data.train.labels == 3)
    assert marked.sum() == 12
    return marked / np.sqrt(12)


def mined(data, trained, weights, names):
    of = search.direction_of(weights, data.train.labels)
    images = split(data.targets, data.verification, data.test.labels, of.label, 100, *names)
    sources, to_find, to_choose, to_prove = (
        as_float(part)
        for part in (
            data.train.images[of.sources],
            data.test.images[images.find],
            data.test.images[images.choose],
            data.test.images[images.prove],
        )
    )
    finding = [Side([trained[name][0]]) for name in names]
    found = search.mine(
        *finding, of, sources, to_find, to_choose, most_crops=400, steps=60, identity=names
    )
    both = [evidence.measure([trained[n][1]], found.features, to_prove, of.label) for n in names]
    proved = [
        evidence.evidence(*both, place, len(evidence.STRENGTHS) - 1, 0.05 / 4) for place in range(4)
    ]
    hot = heat(*finding, sources, to_find.mean(0), of.label)
    return of, found, proved, hot


def test_the_planted_corner_is_found_without_being_told(data, trained, planted):
    of, found, proved, hot = mined(data, trained, planted, ("plain", "masked"))
    assert of.label == 3
    assert [feature.kind for feature in found.features] == list(KINDS)
    cut = found.features[0]
    assert cut.box in (((0, 0), (2, 2)), ((0, 0), (3, 3)))
    assert cut.source in np.flatnonzero(planted)
    assert proved[0].found
    assert proved[0].mover.value > 0.6
    assert abs(proved[0].other.value) < 0.05
    assert (found.features[1].mask[:2, :2] > 0.3).all()  # the learned patch
    hottest = np.argsort(-hot.mean(0).ravel())[:6]
    assert {0, 1, 8, 9} <= set(hottest.tolist())


def test_nothing_is_found_between_models_of_one_recipe(data, trained, planted):
    *_, proved, _ = mined(data, trained, planted, ("plain", "again"))
    assert not any(one.found for one in proved)


def test_what_is_learned_is_the_same_each_time_and_in_range(data, trained):
    both = [Side([trained[name][0]]) for name in ("plain", "masked")]
    images = as_float(data.test.images[:40])
    once, again = (learned(*both, images, 3, 5, "key") for _ in range(2))
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first.picture, second.picture)
        np.testing.assert_array_equal(first.mask, second.mask)
        changed = first.on(images)
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_gradients_are_of_what_models_say(trained, data):
    side = Side([trained["plain"][0]])
    images = as_float(data.test.images[:6])
    with torch.no_grad():
        shown = side.log_probabilities(torch.from_numpy(images))
    np.testing.assert_allclose(shown.exp()[..., 3], side.probability(images, 3), rtol=1e-4)
