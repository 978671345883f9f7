"""What is too large, too deep or too long: refused at once, and what is large and right planned."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import hostile
import hostile_values
import numpy as np
import pytest
import torch
import yaml
from conftest import small

from modeldiff import transformations
from modeldiff.core import errors
from modeldiff.core.errors import UserError
from modeldiff.jobs import sharding, status
from modeldiff.jobs.sharding import Calibration, cut
from modeldiff.study import Study, limits, validation
from modeldiff.study.components import Component
from modeldiff.study.validation import parse
from modeldiff.training.models import MODELS


def refused(config, *words):
    with pytest.raises(UserError) as caught:
        Study.load(config)
    for word in words:
        assert word in str(caught.value)


def test_300_000_models_are_planned_by_default_and_not_one_by_one(config):
    config["subsets"]["models"] = 300_000
    del config["training"]["shard"]
    study = Study.load(config)
    assert len(list(cut(study, "training", ("plain",), study.folder))) == 1200
    assert limits.jobs(study.config) < limits.MANY_JOBS
    assert list(limits.warnings(study.config)) == []
    config["training"]["shard"] = 1
    refused(config, "training.shard: is 1", "300,000 jobs of plain", "or more would be right")


def test_jobs_that_retrain_count_among_all(config):
    few = limits.jobs(config_of(config, {"proposals": 2, "models": 3, "rounds": 1}))
    without = limits.jobs(config_of(config, None))
    assert few - without == 2 * 24  # of both algorithms, a model a job
    many = {"proposals": 100, "models": 1000, "rounds": 20}
    with pytest.raises(UserError, match=r"comparison.pairs: makes .* jobs of all algorithms"):
        config_of(config, many)


def config_of(config, proof):
    """The checked config with that section `proof`, or none, and a model a job."""
    changed = config | {"training": {"shard": 1}}
    del changed["proof"]
    changed["verification"] = {
        "models": 20,
        "transformations": changed["verification"]["transformations"],
    }
    return Study.load(changed | ({"proof": proof} if proof else {})).config


def test_what_a_refusal_calls_right_is_accepted(config):
    config["subsets"]["models"], config["training"]["shard"] = 300_000, 1
    with pytest.raises(UserError) as caught:
        Study.load(config)
    needed = str(caught.value).split("; ")[1].split()[0]
    config["training"]["shard"] = int(needed)
    assert Study.load(config).models == 300_000
    for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
        config["algorithms"][name] = config["algorithms"]["plain"]
        config["comparison"]["pairs"].append(["plain", name])
    with pytest.raises(UserError, match="training jobs; Snakemake can plan 100,000") as caught:
        Study.load(config)
    needed = str(caught.value).split(": ")[-1].split()[0]
    config["training"]["shard"] = int(needed.replace(",", ""))
    assert "jobs are planned" in next(limits.warnings(Study.load(config).config))


def test_a_measurement_makes_no_more_jobs_than_can_be_planned(config, tmp_path):
    config["subsets"]["models"] = 1_000_000
    config["training"] = {"minutes_per_job": 1.0e-9, "width": 1}
    study = Study.load(config | {"results": str(tmp_path)})
    path = f"{study.folder}/plain/calibration.json"
    Calibration(1, 1.0, 1.0).write(path, study.key("calibration", "plain"))
    ranges = list(sharding.cut(study, "training", ("plain",), study.folder))
    assert len(ranges) == limits.MOST_MEASURED


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ("{algorithm}", "braces"),
        ("a\nb", "control characters"),
        ("", "a folder's name"),
        ("--help", "a folder's name"),
        ("/dev/null", "/dev/null is a pipe, a socket or a device"),
        ("file", "since file is a file"),
        ("file/below", "since file is a file"),
        ("link", "is a link to nothing"),
        ("x" * 256, "a name of 256 bytes"),
        ("ü" * 128, "a name of 256 bytes"),
        ("x/" * 2000, "too many for a path"),
    ],
    ids=lambda given: given[:20],
)
def test_results_must_be_a_folder_that_can_be(config, tmp_path, monkeypatch, results, words):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("nowhere")
    refused(config | {"results": results}, "results: ", words)


@pytest.mark.parametrize("name", ["x" * 81, "digits\n", "a{b}", "a/b", ".hidden", "-n"])
def test_a_name_that_becomes_part_of_file_names(config, name):
    refused(config | {"study": name}, "study: ", "at most 80 letters")


@pytest.mark.parametrize(
    "value",
    [120.0, float("nan"), float("inf"), 2**63, 10**5000],
    ids=["float", "nan", "inf", "64", "long"],
)
def test_whole_numbers_are_whole_and_numbers_finite(config, value):
    config["seed"] = value
    refused(config, "seed: is ")
    config["seed"] = 0
    config["algorithms"]["plain"]["model"] = {"name": "json:dumps", "own": [{"x": value}]}
    if value != 120.0:
        refused(config, "algorithms.plain.model.own.0.x: is ")


def test_a_merged_key_that_is_set_again_stands_once(tmp_path):
    """Also where the anchor is merged before it is made itself."""
    file = tmp_path / "merged.yaml"
    file.write_text("base: &base {k: 0}\nx: {y: &a {<<: *base, k: 1}}\nz: {<<: *a}\n")
    assert parse(file)["z"] == {"k": 1}


@pytest.mark.parametrize("name", hostile_values.BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, name):
    file = tmp_path / "bomb.yaml"
    file.write_text(hostile_values.BOMBS[name])
    with hostile.limited(10), pytest.raises(UserError, match="more than 50,000 values"):
        parse(file)


def test_a_message_is_one_line_that_keeps_both_ends():
    line = str(UserError(f"study.yaml: a{'b' * 500}\n\x1b[0m: is {'x' * 500}; must be 1"))
    assert len(line) == errors.LONGEST
    assert line.startswith("study.yaml: a")
    assert line.endswith("; must be 1")
    assert str(UserError("a\nb\0\u202e")) == "a\\nb\\x00\\u202e"
    assert errors.shown(10**5000) == "an integer of 16,610 bits"
    assert errors.shown("x" * 5000) == f"'{'x' * 39}... (5,002 characters)"


def test_of_many_names_the_nearest_are_told(config):
    for i in range(150):
        config["algorithms"][f"algorithm-{i}"] = config["algorithms"]["plain"]
    config["comparison"]["pairs"] = [["plain", "algoritm-77"]]
    refused(config, "'algoritm-77'", "algorithm-77, ", "one of 152")


def test_status_of_a_folder_whose_study_is_none_is_a_line(config, tmp_path):
    checked = validation.check(small(config))
    checked["subsets"]["models"] = "many"
    (tmp_path / "study.json").write_text(json.dumps(checked))
    with pytest.raises(UserError, match=r"subsets\.models: is .many."):
        status.read(tmp_path)


THROUGH_SNAKEMAKE = {
    "wildcard": {"results": "{algorithm}"},
    "file": {"results": "study.yaml"},
    "name": {"study": "x" * 5000},
    "nan": {"subsets": {"models": 1500, "alpha": float("nan")}},
    "jobs": {"subsets": {"models": 300_000}, "training": {"shard": 1}},
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", [*THROUGH_SNAKEMAKE, "command line"])
def test_through_snakemake_it_is_one_line_too(repository, config, tmp_path, attack):
    text = yaml.safe_dump(config | THROUGH_SNAKEMAKE.get(attack, {}))
    (tmp_path / "study.yaml").write_text(text)
    command = [sys.executable, "-m", "snakemake", "-s", str(repository / "Snakefile"), "-n"]
    command += ["--directory", str(tmp_path), "--configfile", str(tmp_path / "study.yaml")]
    command += ["--workflow-profile", str(repository / "profiles/default")]
    if attack == "command line":
        command += ["--config", "preset={best: [1]}"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    said = ended.stdout + ended.stderr
    own = [line for line in said.splitlines() if "modeldiff: " in line]
    assert ended.returncode == 1
    assert len(own) == 1
    assert len(own[0]) <= hostile.LONGEST
    assert "Traceback" not in said
    assert "Error" not in said
    assert set(os.listdir(tmp_path)) <= {"study.yaml", ".snakemake"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"name": "colour_square", "row": 0, "column": 0}, "colour has 3 values; images 1"),
        ({"name": "colour_square", "colour": [1.0]}, "row 30, column 100 is outside 8 x 8"),
        ({"name": "dog_patch"}, "row 4, column 13 is outside 8 x 8 pixels"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_patch_beside_the_images_is_a_line(part, words):
    images = np.zeros((2, 1, 8, 8), np.float32)
    with pytest.raises(UserError, match=words):
        transformations.apply(Component.of(part), images, 3.0)


def test_built_in_models_say_what_they_cannot_take():
    with pytest.raises(UserError, match="needs images of 11 pixels or more"):
        MODELS["resnet9"]((1, 10, 11), 10)
    module = MODELS["resnet9"]((1, 11, 11), 10).eval()
    assert module(torch.zeros(2, 1, 11, 11)).shape == (2, 10)
    with pytest.raises(UserError, match="needs images of 3 channels, not 1"):
        MODELS["resnet18"]((1, 32, 32), 10, weights=None)
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    with pytest.raises(UserError, match="is 'IMAGENET'; must be IMAGENET1K_V1"):
        MODELS["resnet18"]((3, 32, 32), 10, weights="IMAGENET")
