"""Mining as stages of a study: what they write, what the page says of it, what is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modeldiff import dataset, training
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.mining import pictures, removal, step
from modeldiff.mining.feature import KINDS
from modeldiff.proof.step import COLUMNS as PROOF
from modeldiff.report import mined
from modeldiff.study import Study, stages

PAIR = ("plain", "masked")


@pytest.fixture(scope="module")
def study(repository, tmp_path_factory):
    """The embedded study with little to try, and its results in a folder of its own."""
    config = Study.read(repository / "config/config.yaml").config
    config["results"] = str(tmp_path_factory.mktemp("mining"))
    config["training"] |= {"shard": 7, "width": 7}
    config["proof"] |= {"proposals": 1, "removal": []}
    config["verification"]["models"] = 12
    config["verification"]["mine"] |= {"crops": 300, "steps": 20, "removal_models": 3}
    return Study.load(config)


@pytest.fixture(scope="module")
def finished(study):
    """The files of both stages. Proposed are the planted group, which retraining has proved of
    `plain` with the other sign, and weights that are not proved.
    """
    at = study.folder
    manifest = f"{at}/{stages.path('dataset')}"
    dataset.prepare(study, manifest)
    data = dataset.read(manifest, study.key("dataset"))
    checkpoints = []
    for name in PAIR:
        for models in (range(7), range(7, 12)):
            path = f"{at}/{stages.path('checkpoints', name, models.start, models.stop)}"
            training.train_full(study, name, data, models, path, device="cpu")
            checkpoints.append(path)
    planted = dataset.read_manifest(manifest, study.key("dataset"))["planted"]["train_examples"]
    examples = np.zeros((2, len(data.train.labels)), np.float32)
    examples[0, planted] = -1 / np.sqrt(len(planted))
    examples[1, 5] = 1
    arrays = {"examples": examples, "share": np.zeros(2)}
    arrays["targets"] = np.ones((2, len(data.targets)), np.float32)
    proposals = f"{at}/{stages.path('proposals', *PAIR)}"
    with artifacts.write(proposals, study.key("proposals", *PAIR)) as file:
        artifacts.write_arrays(file, arrays)
    proof = f"{at}/{stages.path('proof', *PAIR)}"
    table = pd.DataFrame(0.0, index=range(2), columns=list(PROOF))
    table["a"] = [-1.0, 1.0]
    table["adjusted"] = [0.001, 0.2]
    with artifacts.write(proof, study.key("proof", *PAIR)) as file:
        table.to_csv(file, index=False)
    output = f"{at}/{stages.path('mined', *PAIR)}"
    step.write(study, PAIR, data, checkpoints, proposals, proof, output, device="cpu")
    removals = []
    for name in PAIR:
        removals.append(f"{at}/{stages.path('removal', *PAIR, name)}")
        given = study, PAIR, name, data, proposals, proof, output, removals[-1]
        removal.write(*given, device="cpu")
    return data, planted, output, removals


def test_what_is_proved_is_mined_with_its_sign(study, finished):
    data, planted, output, _ = finished
    (direction,) = pictures.read(study, PAIR, output)
    assert (direction.number, direction.mover, direction.other) == (1, "plain", "masked")
    assert direction.label == "3"
    assert [one.feature.kind for one in direction.features] == list(KINDS)
    assert set(direction.sources) <= set(planted)
    assert set(direction.images) <= set(data.verification)
    row = direction.features[0].row
    assert (row["models_mover"], row["models_other"], row["attempts"]) == (7, 7, 4)
    assert row["images"] > 100
    strengths = [one["strength"] for one in direction.features[0].rows]
    assert strengths == [0.25, 0.5, 0.75, 1]
    effects = [one["mover_effect"] for one in direction.features[0].rows]
    assert effects == sorted(effects)
    assert direction.features[0] in direction.found
    assert direction.features[0].row["difference"] > 0.5


def test_what_is_written_is_what_is_read_and_made_again(study, finished):
    _, _, output, _ = finished
    (direction,) = pictures.read(study, PAIR, output)
    arrays = np.load(stages.beside(output, "features"))
    assert arrays["mask"].shape == (4, 8, 8)
    assert arrays["heats"].shape == (1, 4, 8, 8)
    edit = direction.features[3]
    assert edit.feature.setting is not None
    assert edit.feature.setting.part.name == edit.row["edit"]
    other = study.key("mined", *reversed(PAIR))
    with pytest.raises(CorruptArtifact, match="other settings"):
        artifacts.verify(output, other)


def test_the_effect_goes_with_the_planted_images(study, finished):
    rows = removal.read(study, PAIR, finished[3])
    (direction,) = pictures.read(study, PAIR, finished[2])
    kinds = [one.feature.kind for one in direction.found]
    assert [row["kind"] for row in rows] == 2 * kinds
    assert [row["algorithm"] for row in rows] == len(kinds) * ["plain"] + len(kinds) * ["masked"]
    plain, masked = rows[0], rows[len(kinds)]
    assert (plain["left_out"], plain["models_group"], plain["models_random"]) == (24, 3, 3)
    assert plain["random_effect"] > 0.5
    assert plain["group_effect"] < 0.1
    assert plain["low"] > 0
    assert abs(masked["fall"]) < 0.1


def test_the_page_says_it_in_a_sentence_and_shows_it(study, finished):
    data = finished[0]
    (one,) = mined.read(study, Path(study.folder), data, *PAIR)
    assert "moves plain towards class 3 by +" in one.sentence
    assert one.link.startswith("It goes with its images: without the 24 training images")
    assert one.first is not None
    assert one.first.feature.kind in ("patch", "edit")  # what goes with the planted images
    assert len(one.before()) == len(one.after(one.first)) == len(one.heat()) == 4
    assert one.before() != one.after(one.first)
    entry = mined.summary(one, *PAIR)
    json.dumps(entry, allow_nan=False)
    assert [feature["kind"] for feature in entry["features"]] == list(KINDS)
    assert sum(feature["first"] for feature in entry["features"]) == 1
    assert {row["algorithm"] for row in entry["removal"]} == set(PAIR)


def test_without_a_link_what_a_person_may_recognise_is_shown_first(study, finished):
    (one,) = mined.read(study, Path(study.folder), finished[0], *PAIR)
    unsure = {of: row | {"low": -1.0} for of, row in one.removals.items()}
    first = replace(one, removals=unsure).first
    assert first is not None
    assert first.feature.kind in ("patch", "edit")
    learned = tuple(each for each in one.direction.features if "learned" in each.feature.kind)
    alone = replace(one, removals=unsure, direction=replace(one.direction, features=learned))
    assert alone.first in learned
    assert replace(alone, direction=replace(one.direction, features=())).first is None


def test_the_hottest_pixels_are_red():
    heat = np.zeros((4, 4))
    heat[1, 2] = 1
    shown = mined.heated(np.full((1, 4, 4), 200, np.uint8), heat)
    assert shown[:, 1, 2].tolist() == [230, 30, 0]
    assert len(set(shown[:, 0, 0].tolist())) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"proof": None}, "verification.mine: looks for features behind proved differences"),
        ({"mine": {"models": 3}}, "mine.models: is 3, but 5 models propose"),
        ({"mine": {"models": 17}}, "mine.models: is 17 of 20 models .* must leave 5 or more"),
        ({"mine": {"removal": 0.5}}, "mine.removal: is 0.5; must be at most 0.25"),
        ({"mine": {"minutes": 5}}, "mine"),
    ],
)
def test_what_cannot_be_mined_is_one_line(config, change, words):
    if "proof" in change:
        del config["proof"]
    config["verification"]["mine"] |= change.get("mine", {})
    with pytest.raises(UserError, match=words):
        Study.load(config)


def test_mining_alone_asks_for_models_on_all_data(config):
    config["verification"]["transformations"] = {}
    mining = Study.load(config)
    assert mining.full_models == 20
    assert mining.shown == ()
    with_features = mining.key("predictions", "plain")
    config["verification"]["mine"]["steps"] = 7
    other = Study.load(config)
    assert other.key("predictions", "plain") == with_features
    assert other.key("mined", *PAIR) != mining.key("mined", *PAIR)
    config["verification"]["mine"]["removal"] = 0.01
    third = Study.load(config)
    assert third.key("mined", *PAIR) == other.key("mined", *PAIR)
    assert third.key("removal", *PAIR, "plain") != other.key("removal", *PAIR, "plain")


def test_a_pair_that_is_not_mined_is_one_line(study, finished, tmp_path):
    output = finished[2]
    config = tmp_path / "study.json"
    study.write(config)
    command = [sys.executable, "-m", "modeldiff", "mine", config, "masked", "plain", output]
    command += ["--proposals", output, "--proof", output, "--dataset", output]
    done = subprocess.run(
        [*map(str, command), "--output", tmp_path / "x.csv"], capture_output=True, text=True
    )
    said = "modeldiff: masked and plain: study digits mines plain and masked\n"
    assert (done.returncode, done.stderr) == (1, said)
    assert not (tmp_path / "x.csv").exists()
