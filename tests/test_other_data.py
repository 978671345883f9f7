"""Models of other data, and weights of other modules, are noticed and never pooled."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_study import edit, shard, started

from modeldiff import dataset, margins
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import changes, sharding
from modeldiff.training import checkpoint, train_full, train_shard
from modeldiff.training.models import convnet
from modeldiff.training.shard import load_full

pytest_plugins = ["own_study"]


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
