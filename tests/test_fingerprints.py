"""The user's own code and files are part of the keys of what they make, and of nothing else."""

import importlib
import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from conftest import small

from modeldiff import dataset, margins
from modeldiff.cli import main
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import changes, sharding, status
from modeldiff.study import Study
from modeldiff.training import checkpoint, train_full, train_shard
from modeldiff.training.models import convnet
from modeldiff.training.shard import load_full

MINE = """
import numpy as np
from torch import nn
from modeldiff.dataset import Images, Raw
from training_parts import step

def data():
    images = np.load("images.npy")
    labels = np.arange(len(images)) % 2
    return Raw(Images(images[:300], labels[:300]), Images(images[300:], labels[300:]), ("a", "b"))

def model(shape, classes, width=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))

def train(module, images, labels, seed):
    step(module)

def brighter(images, strength):
    return images

def prepared(images):
    return images

def estimator(masks, margins):
    raise NotImplementedError
"""
PARTS = "def step(module):\n    next(module.parameters()).data.add_(0.1)\n    return 0.1\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules of one's own and 400 images, in which everything is run."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    np.save("images.npy", images)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "training_parts.py").write_text(PARTS)
    yield tmp_path
    forget()


def forget():
    """As a process that has not imported them yet."""
    for name in ("mine", "training_parts"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def edit(path, old, new):
    """Change a file of the user's, so that it is imported anew."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**10))  # whatever the clock's steps are
    forget()


@pytest.fixture
def own(config, folder):
    """A config whose every part that can be is one's own; algorithm `plain` has none but data."""
    config = small(config)
    config["dataset"] = {"name": "mine:data"}
    mine = config["algorithms"]["masked"]
    config["algorithms"]["masked"] = {
        "model": {"name": "mine:model"},
        "train": {"name": "mine:train"},
        "preprocess": mine["preprocess"],
    }
    config["subsets"]["models"] = 120
    feature = {"name": "mine:brighter", "class": "a", "strengths": [1, 2, 3]}
    config["verification"]["transformations"] = {"brighter": feature}
    forget()
    return config


def keys(config):
    """The keys of all rooms."""
    study = Study.load(config)
    rooms = {"dataset": [()], "subsets": [()], "report": [()], "comparison": study.pairs}
    rooms |= {"beton": [()], "verification": study.pairs, "candidates": study.pairs}
    each = ("calibration", "training", "full", "margins", "grams", "datamodels", "predictions")
    rooms |= {room: [(name,) for name in study.names] for room in (*each, "trials")}
    return {"/".join((room, *of)): study.key(room, *of) for room in rooms for of in rooms[room]}


def changed(config, *edited):
    """The rooms whose keys an edit changes."""
    before = keys(config)
    edit(*edited)
    after = keys(config)
    return {where for where in before if before[where] != after[where]}


OF_TRAINED = {"calibration", "training", "full", "margins", "grams", "datamodels", "trials"}
OF_TRAINED |= {"predictions"}
OF_PAIR = {f"{room}/plain/masked" for room in ("comparison", "verification", "candidates")}


def test_a_training_function_is_part_of_all_that_its_models_are_in(own, folder):
    expected = {f"{room}/masked" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert changed(own, folder / "mine.py", "step(module)", "step(step(module))") == expected


def test_so_is_a_module_that_it_imports(own, folder):
    expected = {f"{room}/masked" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert changed(own, folder / "training_parts.py", "0.1", "0.2") == expected


def test_a_source_of_data_is_part_of_everything(own, folder):
    assert changed(own, folder / "mine.py", "% 2", "// 2 % 2") == keys(own).keys()


def test_a_transformation_is_part_of_effects_only(own, folder):
    expected = {"predictions/plain", "predictions/masked", "verification/plain/masked", "report"}
    edited = (folder / "mine.py", "strength):\n    return images", "strength):\n    return -images")
    assert changed(own, *edited) == expected


def test_an_estimator_is_part_of_datamodels(own, folder):
    own["preset"] = None
    own["datamodels"] = {"estimator": "mine:estimator"}
    expected = {"datamodels/plain", "datamodels/masked", "comparison/plain/masked", "report"}
    expected |= {"candidates/plain/masked"}
    assert changed(own, folder / "mine.py", "NotImplementedError", "ValueError") == expected


def test_trak_takes_the_model_and_its_preprocessing(own, folder):
    torch.save({}, "weights.pt")
    own["algorithms"]["masked"]["scores"] = {"name": "trak", "checkpoints": ["weights.pt"]}
    own["algorithms"]["masked"]["preprocess"] = [{"name": "mine:prepared"}]
    own["preset"] = None
    own["comparison"] = {"pairs": [["plain", "masked"]], "method": "residual"}

    def key():
        return Study.load(own).key("scores", "masked")

    before = key()
    edit(folder / "mine.py", "step(module)", "pass")
    assert key() == before
    edit(
        folder / "mine.py",
        "def prepared(images):\n    return",
        "def prepared(images):\n    return 1 -",
    )
    now = key()
    assert now != before
    edit(folder / "mine.py", "nn.ReLU()", "nn.GELU()")
    assert key() != now


def test_a_version_stands_for_the_code(own, folder):
    own["algorithms"]["masked"]["code"] = "v1"
    own["dataset"]["code"] = 1
    assert changed(own, folder / "mine.py", "step(module)", "pass") == set()
    assert changed(own, folder / "mine.py", "% 2", "// 2 % 2") == set()
    before = keys(own)
    own["algorithms"]["masked"]["code"] = "v2"
    after = keys(own)
    assert before["training/masked"] != after["training/masked"]
    assert before["training/plain"] == after["training/plain"]
    own["dataset"]["code"] = 2
    assert after["training/plain"] != keys(own)["training/plain"]


def test_weights_to_start_from_count_by_their_content(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = small(config)
    config["algorithms"]["plain"]["model"] = {"name": "convnet", "weights": "start.pt"}
    config["algorithms"]["plain"]["code"] = "v1"  # not of code of one's own: it changes nothing
    absent = keys(config)
    torch.save({"weight": torch.zeros(2)}, "start.pt")
    before = keys(config)
    torch.save({"weight": torch.ones(2)}, "start.pt")
    after = keys(config)
    rooms = {where for where in before if before[where] != after[where]}
    assert rooms == {f"{room}/plain" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert absent["training/plain"] not in (before["training/plain"], after["training/plain"])


def test_a_file_that_is_an_option_of_ones_own_part_counts_by_its_content(own, folder):
    own["algorithms"]["masked"]["model"]["width"] = {"of": ["images.npy"]}
    before = keys(own)["training/masked"]
    np.save("images.npy", np.zeros((400, 1, 8, 8), np.uint8))
    assert keys(own)["training/masked"] != before


# A run and its jobs.


def started(own):
    """A study whose run has begun: its folder has what Snakemake writes at the start."""
    study = Study.load(own)
    study.write(f"{study.folder}/study.json")
    dataset.prepare(study, f"{study.folder}/dataset/manifest.json")
    return study


def test_a_job_stops_if_the_code_is_not_what_the_run_was_started_with(own, folder):
    path = f"{started(own).folder}/study.json"
    assert Study.read(path) == Study.load(own)
    edit(folder / "training_parts.py", "0.1", "0.2")
    words = ["train", path, "masked", "--models", "0:2", "--dataset", "x", "--output", "shard.npy"]
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 1
    line = f"modeldiff: {path}: training_parts changed since the run started; run the same"
    assert ended.stderr.startswith(line)
    assert len(ended.stderr) <= 200
    assert status.read("results/small").study == "small"  # which only looks
    assert Study.recorded(path).key("training", "masked") != Study.load(own).key(
        "training", "masked"
    )


def test_a_study_without_own_code_leaves_no_record_of_any(own, study, folder):
    started(own)
    record = folder / "results/small/study.code.json"
    assert set(json.loads(record.read_text())) == {
        "dataset",
        "algorithms.masked",
        "transformations.brighter",
    }
    study.write("results/small/study.json")
    assert not record.exists()


def shard(study, name, models):
    """A shard that says it was trained for the study and its prepared data."""
    manifest = f"{study.folder}/dataset/manifest.json"
    path = f"{study.folder}/{name}/shards/{models.start}-{models.stop}.npy"
    facts = {"models": [models.start, models.stop], "failed": {}, "margin": "max"}
    facts["data"] = dataset.digest(manifest)
    with artifacts.write(path, study.key("training", name), **facts) as file:
        np.save(file, np.zeros((len(models), 3), np.float32))
    return path


def test_check_says_what_changed_and_how_many_models_are_trained_again(own, folder):
    study = started(own)
    (folder / "mine.yaml").write_text(yaml.safe_dump(own))
    for models in (range(30), range(30, 60)):
        shard(study, "masked", models)
    assert list(changes.lines(study)) == []
    edit(folder / "training_parts.py", "0.1", "0.2")
    own["subsets"]["models"] = 150
    (folder / "mine.yaml").write_text(yaml.safe_dump(own))
    ended = CliRunner().invoke(main, ["check", "mine.yaml"])
    assert ended.exit_code == 0
    assert ended.output.splitlines()[-1] == (
        "changed since the last run: training_parts, subsets.models; "
        "60 models of masked are trained again"
    )
    assert sharding.finished(Study.load(own), "training", ("masked",), study.folder) == {}


def test_more_models_alone_train_none_again(own, folder):
    shard(started(own), "masked", range(30))
    edit(folder / "mine.py", "def model", "# a comment\n\ndef model")
    own["subsets"]["models"] = 150
    (said,) = changes.lines(Study.load(own))
    assert said == "changed since the last run: subsets.models; no model is trained again"


# Data.


def test_data_that_the_source_no_longer_gives_are_noticed(own, folder):
    study = started(own)
    assert list(changes.data(study)) == []
    images = np.load("images.npy")
    images[0, 0, 0, 0] ^= 1
    np.save("images.npy", images)
    (said,) = changes.data(study)
    assert said.startswith("mine:data gives other training images than those prepared")
    images[-1, 0, 0, 0] ^= 1
    np.save("images.npy", images[:-1])
    (said,) = changes.data(study)
    assert "other training images and test images and labels or classes than" in said


def test_models_of_other_data_are_never_pooled(own, folder):
    study = started(own)
    manifest = f"{study.folder}/dataset/manifest.json"
    shards = [shard(study, "masked", range(30))]
    key = study.key("training", "masked")
    margins.gather(shards, key, "margins.npy", "all", dataset.digest(manifest))
    images = np.load("images.npy")
    images[0, 0, 0, 0] ^= 1
    np.save("images.npy", images)
    dataset.prepare(study, manifest)  # of the same settings
    shards.append(shard(study, "masked", range(30, 60)))
    with pytest.raises(CorruptArtifact) as caught:
        margins.gather(shards, key, "margins.npy", "all", dataset.digest(manifest))
    assert "0-30.npy: its models were trained on other data than are" in caught.value.details
    assert sharding.finished(study, "training", ("masked",), study.folder) == {30: 60}


def test_neither_are_models_that_were_trained_on_all_of_other_data(own, folder):
    study = started(own)
    manifest = f"{study.folder}/dataset/manifest.json"
    data = dataset.read(manifest, study.key("dataset"))
    train_full(study, "plain", data, range(1), "full.npz", device="cpu")
    assert len(list(load_full(study, "plain", data, ["full.npz"], device="cpu"))) == 1
    images = np.load("images.npy")
    images[:300] = 255 - images[:300]
    np.save("images.npy", images)
    dataset.prepare(study, manifest)
    other = dataset.read(manifest, study.key("dataset"))
    with pytest.raises(CorruptArtifact, match=r"full.npz: its models were trained on other data"):
        list(load_full(study, "plain", other, ["full.npz"], device="cpu"))


def test_a_job_goes_on_only_with_models_of_its_data(own, folder, monkeypatch):
    study = started(own)
    data = dataset.read(f"{study.folder}/dataset/manifest.json", study.key("dataset"))
    trained = []

    def resumed(output, key, *how):
        trained.append(checkpoint.JobCheckpoint(output, key, ":".join(map(str, how)))._key)
        raise UserError("stop")

    monkeypatch.setattr("modeldiff.training.shard.resumable", resumed)
    for digest in ("one", "two"):
        of = replace(data, digest=digest)
        with pytest.raises(UserError, match="stop"):
            train_shard(study, "plain", of, range(2), folder / "x.npy", device="cpu")
    assert trained[0] != trained[1]


# Weights.


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nn.ReLU(), ", "", "has no `2.weight`"),
        ("width=2", "width=3", "`1.weight` is [2, 64], not [3, 64]"),
        (", nn.ReLU(), nn.Linear(width, classes)", "", "has `3.weight`, which is not the model's"),
    ],
    ids=["names", "shapes", "left over"],
)
def test_weights_of_another_module_are_refused(own, folder, old, new, words):
    """With a version in place of the code, nothing but the strict loading stands in the way."""
    own["algorithms"]["masked"]["code"] = "v1"
    study = started(own)
    data = dataset.read(f"{study.folder}/dataset/manifest.json", study.key("dataset"))
    train_full(study, "masked", data, range(2), "full.npz", device="cpu")
    list(load_full(study, "masked", data, ["full.npz"], device="cpu"))
    edit(folder / "mine.py", old, new)
    with pytest.raises(UserError) as caught:
        list(load_full(study, "masked", data, ["full.npz"], device="cpu"))
    assert str(caught.value) == f"full.npz: does not fit the model mine:model: {words}"


def test_a_training_function_that_alters_the_module_is_refused(own, folder):
    edit(folder / "mine.py", "step(module)", "module.add_module('more', nn.Linear(1, 1))")
    study = started(own)
    data = dataset.read(f"{study.folder}/dataset/manifest.json", study.key("dataset"))
    with pytest.raises(UserError, match=r"mine:train .*: left the module with more\.weight"):
        train_full(study, "masked", data, range(1), "full.npz", device="cpu")


def test_weights_to_start_from_must_have_the_model_s_shapes(tmp_path):
    torch.save(convnet((1, 8, 8), 10, width=4).state_dict(), tmp_path / "start.pt")
    convnet((1, 8, 8), 3, width=4, weights=str(tmp_path / "start.pt"))
    with pytest.raises(UserError, match=r"model\.weights"):
        convnet((1, 8, 8), 10, width=8, weights=str(tmp_path / "start.pt"))
