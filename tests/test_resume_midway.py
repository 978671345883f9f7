"""Models cut short in training go on from one of their epochs, to the same bytes."""

import os

import layouts
import pytest
import torch
from torch import nn

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.training import checkpoint, fit, nets, train_full, train_shard
from modeldiff.training.models import MODELS
from modeldiff.training.pretraining import pretrain

SGD = {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}}
ADAM = {"optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 1e-2}}
CONVNET = {"model": {"name": "convnet", "width": 4}}
RECIPES = {
    "stack with an average": ({"width": 4}, SGD | {"ema": 0.8}),
    "stack with AdamW": ({"width": 4}, ADAM),
    "batch statistics and dropout": ({"width": 1}, SGD),
    "bfloat16, AdamW, an average": (
        {"width": 1},
        ADAM | CONVNET | {"precision": "bfloat16", "ema": 0.8},
    ),
    "compiled": ({"width": 1, "compile": True}, SGD | CONVNET),
}


def noisy(shape, classes, *, hidden):
    """Batch statistics are in the buffers, dropout in the generator."""
    layers = nn.Flatten(), nn.Linear(64, hidden), nn.BatchNorm1d(hidden), nn.Dropout(0.3)
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(hidden, classes))


@pytest.fixture(params=RECIPES)
def small(request, config, monkeypatch) -> Study:
    """A study of one of the recipes: 5 epochs."""
    training, recipe = RECIPES[request.param]
    if "dropout" in request.param:
        monkeypatch.setitem(MODELS, "mlp", noisy)
    monkeypatch.setattr(nets, "BACKEND", "eager")
    config["algorithms"]["plain"] |= {"epochs": 5} | recipe
    return Study.load(config | {"training": training})


class Watch:
    """Notes which epochs of which models are trained, and ends the job in one of them."""

    def __init__(self, monkeypatch):
        self.trained, self.end, self.shuffled = [], None, fit.shuffled
        monkeypatch.setattr(fit, "shuffled", self)
        monkeypatch.setattr(checkpoint, "MIDWAY", 0)

    def __call__(self, member, epoch):
        at = member.identity[-1], epoch
        self.trained.append(at)
        if at == self.end:
            os.kill(os.getpid(), 2)
        return self.shuffled(member, epoch)


def cut(watch, train, at, output):
    """Train until model and epoch `at`; then forget what was trained."""
    watch.end = at
    with pytest.raises(UserError, match="stopped by SIGINT"):
        train(output)
    watch.end = None
    watch.trained.clear()


def test_a_group_goes_on_from_the_last_epoch_to_the_same_bytes(small, data, tmp_path, monkeypatch):
    def shard(name):
        train_shard(small, "plain", data, range(8), tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    watch, whole = Watch(monkeypatch), shard("whole.npy")
    cut(watch, shard, (4, 3), "cut.npy")  # with width 4: the first of the second group
    assert shard("cut.npy") == whole
    assert {epoch for model, epoch in watch.trained if model == 4} == {3, 4}
    assert not [model for model, _ in watch.trained if model < 4]
    assert {epoch for model, epoch in watch.trained if model == 7} >= {3, 4}
    assert artifacts.record(tmp_path / "cut.npy")["resumed_at"] == 4
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def short(config) -> Study:
    config["algorithms"]["plain"]["epochs"] = 4
    return Study.load(config | {"training": {"width": 3}})


def test_full_data_models_go_on_from_an_epoch_too(short, data, tmp_path, monkeypatch):
    def full(name):
        train_full(short, "plain", data, range(3), tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    watch, whole = Watch(monkeypatch), full("whole.npz")
    cut(watch, full, (0, 2), "cut.npz")
    assert full("cut.npz") == whole
    assert watch.trained == [(m, epoch) for epoch in (2, 3) for m in range(3)]


def test_pretraining_goes_on_from_an_epoch_too(config, tmp_path, monkeypatch, capsys):
    layouts.folders(tmp_path / "images", ("bird", "ship"), 10, 5)
    images = {"name": "folder", "path": str(tmp_path / "images"), "size": 8}
    plain = config["algorithms"]["plain"]
    small = Study.load(
        {
            "study": "small",
            "dataset": images,
            "subsets": {"models": 200},
            "algorithms": {"plain": plain, "other": plain},
            "comparison": {"pairs": [["plain", "other"]]},
        }
    )

    def weights(name):
        accuracy = pretrain(small, "plain", ["bird", "ship"], tmp_path / name, device="cpu")
        assert 0 <= accuracy <= 1
        return torch.load(tmp_path / name, weights_only=True)

    watch, whole = Watch(monkeypatch), weights("whole.pt")
    cut(watch, weights, ("pretrain", 2), "cut.pt")
    capsys.readouterr()
    resumed, epochs = weights("cut.pt"), small.algorithms["plain"].epochs
    assert [epoch for _, epoch in watch.trained] == list(range(2, epochs))
    assert f"{epochs}/{epochs} [" in capsys.readouterr().err
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    assert not list(tmp_path.glob(".*"))


def alter(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def no_state(path):
    key = artifacts.record(path)["key"]
    with artifacts.write(path, key) as file:
        file.write(b"no state\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [(alter, "its content has changed"), (no_state, "is not a state of models")],
)
def test_a_damaged_state_is_ignored_and_said_so(
    short, data, tmp_path, monkeypatch, capsys, harm, said
):
    def shard(name):
        train_shard(short, "plain", data, range(3), tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    watch, whole = Watch(monkeypatch), shard("whole.npy")
    cut(watch, shard, (0, 2), "cut.npy")
    (path,) = tmp_path.glob(".cut.npy.*-midway.partial")
    harm(path)
    capsys.readouterr()
    assert shard("cut.npy") == whole
    err = capsys.readouterr().err
    assert f"{path}: {said}" in err
    assert ": ignored, its epochs are trained again" in err
    assert watch.trained[0] == (0, 0)


def test_the_state_of_a_group_that_ended_since_is_no_start_for_the_next(
    short, data, tmp_path, monkeypatch
):
    """The rows of the group were saved after its last state: the next one starts anew."""

    def shard(name):
        train_shard(short, "plain", data, range(6), tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    watch, whole = Watch(monkeypatch), shard("whole.npy")
    cut(watch, shard, (3, 0), "cut.npy")
    assert list(tmp_path.glob(".cut.npy.*-midway.partial"))
    assert shard("cut.npy") == whole
    assert watch.trained == [(m, epoch) for epoch in range(4) for m in (3, 4, 5)]


def test_models_of_seconds_are_not_saved_midway(short, data, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(checkpoint.JobCheckpoint, "save", lambda self: saved.append(1))
    train_shard(short, "plain", data, range(3), tmp_path / "quick.npy", device="cpu")
    assert not saved
