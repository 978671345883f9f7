"""What the library proposes for a direction, and how far its intervals reach."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import report_studies
from conftest import EMBEDDED, small
from scipy import stats

from modeldiff import transformations
from modeldiff.comparison import WAYS
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.report import results, summary
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.training.shard import load_full
from modeldiff.transformations import PATTERNS
from modeldiff.transformations.library import library
from modeldiff.verification import candidates
from modeldiff.verification.candidates import Trials

pytest_plugins = ["report_fixtures"]

EDGES = [0, 1, 6, 7]  # rows and columns of an 8 x 8 image that a border of 2 hides


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 90, 224), (2, 16, 16)])
def test_every_setting_of_the_library_changes_images_of_any_size(shape):
    images = np.random.default_rng(0).uniform(0.2, 0.8, (3, *shape)).astype(np.float32)
    settings = library(shape)
    changed = [transformations.apply(part, images, strength) for part, strength in settings]
    assert all((after != images).any((1, 2, 3)).all() for after in changed)
    assert all(after.min() >= 0 and after.max() <= 1 for after in changed)
    assert len({after.tobytes() for after in changed}) == len(settings)
    if shape[0] != 2:
        assert {part.name for part, _ in settings} == set(PATTERNS)


def test_what_is_proposed_can_stand_in_a_config(config):
    for i, (part, strength) in enumerate(library((3, 32, 32))):
        own = {"class": "3", "strengths": [strength / 4, strength / 2, strength]}
        entry = {"name": part.name} | part.options | own
        config["verification"]["transformations"][f"candidate{i}"] = entry
    assert len(Study.load(config).transformations) == 1 + len(library((3, 32, 32)))


def test_an_interval_is_students_at_a_share_of_five_percent():
    rng = np.random.default_rng(1)
    images, still = rng.normal(size=(2, 30)), np.full((2, 6), 0.3)
    (reach, *_) = candidates.difference_half_widths(still, still, images, 40)
    low, high = stats.ttest_1samp(images[0], 0).confidence_interval(1 - 0.05 / 40)
    assert reach == pytest.approx((high - low) / 2)
    moved = rng.normal(size=(2, 6))
    low, high = stats.ttest_1samp(moved[0], 0).confidence_interval(1 - 0.05 / 40)
    both = candidates.difference_half_widths(still, moved, images, 40)[0]
    assert both == pytest.approx(np.hypot(reach, (high - low) / 2))


def test_more_attempts_make_intervals_wider():
    moved = np.random.default_rng(2).normal(size=(3, 5))
    reaches = [candidates.difference_half_widths(moved, moved, moved, n) for n in (1, 2, 50, 400)]
    assert (np.diff(reaches, axis=0) > 0).all()


@pytest.mark.parametrize("models", [3, 5, 10])
@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0])
def test_one_recipe_on_both_sides_has_a_candidate_in_five_percent_of_draws(models, noise):
    """Skewed models and images, 100 independent attempts: the worst case of many."""
    rng, n, images, runs = np.random.default_rng(3), 100, 80, 200
    found = {1: 0, n: 0}
    own = 0.1 * rng.exponential(size=(n, 1, images))
    for _ in range(runs):
        sides = []
        for _ in "ab":
            model = 0.05 * rng.exponential(size=(n, models, 1))
            sides.append(own + model + noise * rng.normal(size=(n, models, images)))
        a, b = sides
        difference = (a - b).mean((1, 2))
        for attempts in found:
            reach = candidates.difference_half_widths(
                a.mean(2), b.mean(2), (a - b).mean(1), attempts
            )
            found[attempts] += bool((np.abs(difference) > reach).any())
    # At most 5% of draws in truth: beyond this count only by a chance of one in a thousand.
    assert found[n] <= stats.binom.isf(0.001, runs, 0.05)
    assert found[1] > 0.05 * runs  # what not counting the attempts would do


def test_a_direction_asks_for_the_classes_of_its_strongest_examples():
    train, test = np.repeat([0, 1, 2], 4), np.repeat([2, 1, 0], 5)
    direction = np.full(12, 0.1)
    direction[4:8] = -0.9  # class 1, at the negative end
    assert candidates.directed(direction, np.array([10, 11, 12]), train, test) == {0, 1}
    assert candidates.directed(-direction, np.array([5, 6, 7]), train, test) == {1}


@pytest.fixture(scope="module")
def planted(repository, data, tmp_path_factory):
    """`plain` says 7 to a bright corner, `masked` says 2 to a bright centre; directions for both.

    Five models of each in files of two and three; three of them are asked for.
    """
    study = Study.load(small(parse(repository / EMBEDDED) | {"study": "planted"}))
    study = Study.load(study.config | {"verification": {"models": 4, "candidates": 3}})
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(4)
    corner, centre = np.zeros((8, 8)), np.zeros((8, 8))
    corner[:2, :2], centre[3:5, 3:5] = 1, 1
    for name, pixels, c in (("plain", corner, 7), ("masked", centre, 2)):
        for i, models in enumerate((2, 3)):
            w1 = 0.02 * rng.normal(size=(models, 64, 64))
            w1[:, 0], b1 = 10 * pixels.ravel(), np.zeros((models, 64))
            b1[:, 0] = -36  # three and a half white pixels of the four are needed
            w2, b2 = 0.5 * rng.normal(size=(models, 10, 64)), np.zeros((models, 10))
            w2[:, c, 0] = 5
            state = {"1.weight": w1, "1.bias": b1, "3.weight": w2, "3.bias": b2}
            with artifacts.write(folder / f"{name}{i}.npz", study.key("full", name)) as file:
                artifacts.write_arrays(file, {k: v.astype(np.float32) for k, v in state.items()})
        paths = [folder / f"{name}{i}.npz" for i in (0, 1)]
        candidates.attempt(study, name, data, paths, folder / f"{name}.npz", device="cpu")
    arrays = {}
    for way, classes in zip(WAYS, ((7, 5), (2, 7)), strict=True):
        test = [data.targets[data.test.labels[data.targets] == c][:20] for c in classes]
        arrays[f"{way}.test_high"] = np.stack(test)
        arrays[f"{way}.directions"] = np.stack([data.train.labels == c for c in classes]) * 1.0
    pair = ("plain", "masked")
    with artifacts.write(folder / "comparison.npz", study.key("comparison", *pair)) as file:
        artifacts.write_arrays(file, arrays)
    return study, folder


def proposals(study, data, folder, tmp_path):
    content = dict.fromkeys(("train", "test", "targets", "verification", "planted"))
    content |= {"classes": data.classes, "shape": data.test.images.shape[1:]}
    content["labels"] = {s: getattr(data, s).labels.tolist() for s in ("train", "test")}
    with artifacts.write(tmp_path / "manifest.json", study.key("dataset")) as file:
        file.write(json.dumps(content).encode())
    trials = (folder / "plain.npz", folder / "masked.npz")
    of = (study, ("plain", "masked"), tmp_path / "manifest.json", trials)
    candidates.propose(*of, folder / "comparison.npz", tmp_path / "candidates.csv")
    table = pd.read_csv(tmp_path / "candidates.csv", dtype={"class": str})
    return table.set_index(["way", "direction"]).sort_index()


def test_what_was_planted_is_proposed_first(planted, data, tmp_path):
    study, folder = planted
    table = proposals(study, data, folder, tmp_path)
    first = table.loc["a-minus-b", 1].iloc[0]
    assert (first["transformation"], json.loads(first["options"])) == ("watermark", {"size": 2})
    assert (first["rank"], first["class"], first["strength"]) == (1, "7", 1)
    assert first["effect_a"] > 0.5 > first["effect_b"]
    assert 0 < first["low"] < first["difference"] < first["high"]
    first = table.loc["b-minus-a", 1].iloc[0]
    assert (first["transformation"], first["class"]) == ("colour_square", "2")
    assert first["high"] < 0  # effects of a less those of b
    # The same class under the other algorithm's direction: what moves `plain` is no answer there.
    assert "watermark" not in set(table.loc["b-minus-a", 2]["transformation"])
    for _, rows in table.groupby(level=[0, 1]):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["difference"].abs().is_monotonic_decreasing
        assert rows["transformation"].is_unique


def test_every_attempt_is_counted_and_three_models_are_used(planted, data, tmp_path):
    study, folder = planted
    table = proposals(study, data, folder, tmp_path)
    assert set(table["attempts"]) == {16 * 3}  # classes 7, 5 and 2; two directions ask for 7
    assert set(table["models_a"]) == set(table["models_b"]) == {3}
    targets = data.test.labels[data.targets]
    assert set(table[table["class"] == "7"]["images"]) == {int((targets != 7).sum())}


def test_effects_are_of_images_of_other_classes_by_hand(planted, data):
    _, folder = planted
    images, labels = (
        data.test.images[data.targets] / np.float32(255),
        data.test.labels[data.targets],
    )
    marked = images.copy()
    marked[:, :, :2, :2] = 1
    rows = []
    for i, m in ((0, 0), (0, 1), (1, 0)):
        with np.load(folder / f"plain{i}.npz") as weights:
            w1, b1, w2, b2 = (weights[f"{k}.{x}"][m] for k in (1, 3) for x in ("weight", "bias"))
        p = []
        for shown in (images, marked):
            hidden = np.maximum(shown.reshape(len(shown), 64) @ w1.T + b1, 0)
            p.append(np.exp(hidden @ w2.T + b2))
        before, after = (x / x.sum(1, keepdims=True) for x in p)
        rows.append((after - before)[:, 7])
    with np.load(folder / "plain.npz") as arrays:
        found = Trials(**arrays)
    setting = [(p.name, p.options) for p, _ in library((1, 8, 8))].index(("watermark", {"size": 2}))
    expected = np.array(rows)
    other = labels != 7
    np.testing.assert_allclose(found.by_model[setting, 7], expected[:, other].mean(1), atol=1e-5)
    np.testing.assert_allclose(
        found.by_image[setting, 7, other], expected[:, other].mean(0), atol=1e-5
    )
    np.testing.assert_array_equal(found.labels, labels)


def test_only_as_many_models_are_loaded_as_are_asked_for(planted, data):
    study, folder = planted
    paths = [folder / "plain0.npz", folder / "missing.npz"]
    groups = list(load_full(study, "plain", data, paths, device="cpu", first=2))
    assert [len(group.state["1.weight"]) for group in groups] == [2]


def test_models_that_diverged_are_left_out_until_too_few_are_left(planted, data, tmp_path):
    study, folder = planted
    with np.load(folder / "plain1.npz") as arrays:
        state = dict(arrays)
    state["3.bias"][0] = np.nan
    with artifacts.write(tmp_path / "one.npz", study.key("full", "plain")) as file:
        artifacts.write_arrays(file, state)
    candidates.attempt(study, "plain", data, [tmp_path / "one.npz"], tmp_path / "t", device="cpu")
    with np.load(tmp_path / "t") as arrays:
        assert arrays["by_model"].shape[2] == 2
        assert np.isfinite(arrays["by_image"]).all()
    state["3.bias"][1] = np.nan
    with artifacts.write(tmp_path / "two.npz", study.key("full", "plain")) as file:
        artifacts.write_arrays(file, state)
    with pytest.raises(UserError, match=r"algorithms\.plain: only 1 of its first 3 models"):
        candidates.attempt(
            study, "plain", data, [tmp_path / "two.npz"], tmp_path / "t", device="cpu"
        )


def test_a_study_that_asks_for_none_stays_as_it_was(config):
    before = Study.load(config)
    assert "candidates" not in before.config["verification"]
    config["verification"]["candidates"] = 10
    after = Study.load(config)
    for room, of in (("full", ["plain"]), ("predictions", ["plain"])):
        assert before.key(room, *of) == after.key(room, *of)
    pair = ["plain", "masked"]
    assert before.key("verification", *pair) == after.key("verification", *pair)
    assert before.key("report") != after.key("report")
    config["verification"]["candidates"] = 20
    for room, of in (("trials", ["plain"]), ("candidates", pair)):
        assert Study.load(config).key(room, *of) != after.key(room, *of)


def first_way(study_json):
    """What the page of a study shows of the first way of its first pair."""
    html = (study_json.parent / "report.html").read_text()
    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)[1]
    return json.loads(content)["pairs"][0]["ways"][0]


def test_the_page_and_the_summary_show_what_to_try(hostile_json, study_json):
    loaded = results.read(hostile_json)
    content = summary.summarise(loaded)
    table = loaded.pairs[0].candidates
    for way, found in zip(WAYS, content["comparisons"], strict=True):
        for direction in found["directions"]:
            own = table[(table["way"] == way) & (table["direction"] == direction["rank"])]
            assert len(direction["candidates"]) == min(len(own), 5)
            for entry, row in zip(direction["candidates"], own.to_dict("records"), strict=False):
                assert entry["options"] == json.loads(row["options"])
                assert entry["apart"] is (row["low"] > 0 or row["high"] < 0)
                assert {k: entry[k] for k in row if k in entry and k != "options"} == {
                    k: row[k] for k in row if k in entry and k != "options"
                }
    assert json.loads(json.dumps(content)) == content
    shown = first_way(hostile_json)["candidates"]
    first = content["comparisons"][0]["directions"][0]["candidates"][0]
    assert len(shown["tables"]) == 10
    assert shown["tables"][0][0][0].startswith(first["transformation"])
    assert shown["tables"][0][0][1] == first["class"] in report_studies.HOSTILE
    assert f"for all {first['attempts']} attempts at once" in shown["about"]
    assert "a person decides" in shown["about"]
    assert "candidates" not in first_way(study_json)
    assert "candidates" not in (study_json.parent / "summary.json").read_text()
