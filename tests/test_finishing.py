"""What an algorithm does after training: several models per member, one left; groups of images."""

import os

import numpy as np
import own
import pandas as pd
import pytest
import torch

from modeldiff import subsets
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import as_float, groups
from modeldiff.study import Study
from modeldiff.training import Member, checkpoint, engine, fit, train_full, train_shard
from modeldiff.training.finishing import parts


@pytest.fixture
def made(config):
    """Makes the embedded study with more keys in `plain`, in 3 epochs."""
    own.SEEN.clear()

    def make(width=15, **keys):
        config["algorithms"]["plain"] |= {"epochs": 3} | keys
        config["subsets"]["models"] = 250
        return Study.load(config | {"training": {"width": width, "shard": 250}})

    return make


def shard(study, data, models, folder):
    path = folder / f"{models.start}-{models.stop}-{study.training.width}.npy"
    train_shard(study, "plain", data, models, path, device="cpu")
    return np.load(path)


def mask_of(study, model):
    return subsets.draw(1200, [study.subset_of(model)], study.alpha, study.seed)[0]


def test_parts_are_a_partition_keyed_by_the_member():
    whole = Member((0, "plain", 7), np.arange(100, 801), "model 7 of plain")
    first, second = parts(whole, 2)
    assert sorted([*first.examples, *second.examples]) == whole.examples.tolist()
    assert (len(first.examples), len(second.examples)) == (351, 350)
    assert (np.diff(first.examples) > 0).all()
    assert parts(whole, 1) == [whole]
    other = parts(Member((0, "plain", 8), whole.examples), 2)
    assert not np.array_equal(first.examples, other[0].examples)
    assert len({member.identity for member in (whole, first, second)}) == 3


def test_models_of_a_member_start_from_the_same_weights_and_learn_from_their_own_parts(made, data):
    slow = {"name": "sgd", "lr": 1e-9, "momentum": 0.0, "nesterov": False}
    for lr, alike in ((1e-9, True), (0.4, False)):
        study = made(trains=2, finish={"name": "own:note"}, optimizer=slow | {"lr": lr})
        members = [Member((1, m), np.arange(5, 605)) for m in range(3)]
        list(engine.train(study.algorithms["plain"], data.train, 10, members, width=3))
        assert len(own.SEEN) == 3
        for number, (weights, images, labels, _, _) in enumerate(own.SEEN):
            first, second = weights
            pairs = [torch.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True)]
            assert all(pairs) == alike
            halves = parts(Member((1, number), np.arange(5, 605)), 2)
            examples = np.concatenate([half.examples for half in halves])
            assert np.array_equal(labels, data.train.labels[examples])
            assert np.array_equal(images, as_float(data.train.images[examples]))
        own.SEEN.clear()


def test_the_second_of_two_models_is_trained_as_a_model_of_its_part(made, data, monkeypatch):
    """By the same loop, from the member's first weights, on its half, in its half's order."""
    study = made(trains=2, finish={"name": "own:note"})
    member = Member((1, 0), np.arange(600))
    list(engine.train(study.algorithms["plain"], data.train, 10, [member], width=1))
    ((weights, *_),) = own.SEEN
    half = parts(member, 2)[1]
    alone = made()
    alone = Study.load({**alone.config, "algorithms": plain_recipe(alone)})
    seed = engine.rng.seed
    monkeypatch.setattr(
        engine.rng,
        "seed",
        lambda *of: seed("weights", *member.identity) if of[0] == "weights" else seed(*of),
    )
    (trained,) = engine.train(alone.algorithms["plain"], data.train, 10, [half], width=1)
    for ours, theirs in zip(weights[1], trained.state.values(), strict=True):
        assert torch.equal(ours, theirs[0])


def plain_recipe(study):
    entries = {name: dict(entry) for name, entry in study.config["algorithms"].items()}
    for key in ("trains", "finish"):
        entries["plain"].pop(key, None)
    return entries


@pytest.mark.parametrize("keys", [{"trains": 2, "finish": {"name": "own:mean"}},
                                  {"finish": {"name": "own:noisy"}}])  # fmt: skip
def test_neither_width_nor_shard_changes_a_finished_model(made, data, tmp_path, keys):
    wide = shard(made(width=15, **keys), data, range(60, 80), tmp_path)
    alone = shard(made(width=1, **keys), data, range(64, 66), tmp_path)
    assert np.abs(wide[4:6] - alone).max() < 1e-4
    unfinished = made(width=15)
    without = Study.load({**unfinished.config, "algorithms": plain_recipe(unfinished)})
    (tmp_path / "plain").mkdir()
    assert np.abs(shard(without, data, range(60, 80), tmp_path / "plain") - wide).max() > 0.01


def test_a_function_is_told_which_of_its_images_to_forget(made, data):
    for group, wanted in (("planted", data.planted), ("class:3", None)):
        study = made(finish={"name": "own:note", "forget": group, "more": 2})
        member = Member((1, 0), np.arange(0, 1200, 2))
        forget = groups.members(data, group)
        algorithm = study.algorithms["plain"]
        list(engine.train(algorithm, data.train, 10, [member], width=1, forget=forget))
        _, images, labels, _, options = own.SEEN.pop()
        if wanted is None:
            expected = labels == data.classes.index("3")
        else:
            expected = torch.from_numpy(np.isin(member.examples, wanted))
        assert torch.equal(options.pop("forget"), expected)
        assert expected.any()
        assert options == {"more": 2}
        assert len(images) == 600


def test_models_without_a_group_never_see_it_and_keep_their_numbers(made, data, tmp_path):
    """Their subsets are of several sizes, so that they are trained in another order."""
    study = made(without="class:3", finish={"name": "own:note"})
    rows = shard(study, data, range(60, 70), tmp_path)
    three = data.train.labels == data.classes.index("3")
    sizes = [(mask_of(study, model) & ~three).sum() for model in range(60, 70)]
    assert sorted(sizes) != sizes
    assert sorted(len(labels) for _, _, labels, _, _ in own.SEEN) == sorted(sizes)
    assert all(not (labels == data.classes.index("3")).any() for _, _, labels, *_ in own.SEEN)
    for model in (60, 67):
        (tmp_path / str(model)).mkdir()
        alone = shard(study, data, range(model, model + 1), tmp_path / str(model))
        assert np.abs(alone[0] - rows[model - 60]).max() < 1e-4
    own.SEEN.clear()
    train_full(study, "plain", data, range(2), tmp_path / "full.npz", device="cpu")
    assert [len(labels) for _, _, labels, *_ in own.SEEN] == [1200 - three.sum()] * 2


def test_a_finish_that_fails_is_named_or_counted(made, data, tmp_path):
    wrong = {
        "shrink": r"own:shrink \(model 60 of plain\): left the module with 1.weight missing",
        "weights_of": r"own:weights_of \(model 60 of plain\): returned OrderedDict.*; must be a to",
    }
    for name, words in wrong.items():
        with pytest.raises(UserError, match=words):
            shard(made(finish={"name": f"own:{name}"}), data, range(60, 62), tmp_path)
    study = made(finish={"name": "own:diverge"})
    assert np.isnan(shard(study, data, range(60, 62), tmp_path)).all()
    failed = artifacts.record(tmp_path / "60-62-15.npy")["failed"]
    assert failed == dict.fromkeys(("60", "61"), "diverged: outputs are not finite")


def test_a_member_goes_on_from_an_epoch_of_its_second_model(made, data, tmp_path, monkeypatch):
    """The first is not trained again, and the bytes are the same."""
    study = made(width=4, trains=2, finish={"name": "own:mean"})
    trained = []
    shuffled = fit.shuffled
    end = None

    def watch(member, epoch):
        trained.append((member.identity[-1], epoch))
        if trained[-1] == end:
            os.kill(os.getpid(), 2)
        return shuffled(member, epoch)

    monkeypatch.setattr(checkpoint, "MIDWAY", 0)
    (tmp_path / "whole").mkdir()
    whole = shard(study, data, range(60, 64), tmp_path / "whole")
    monkeypatch.setattr(fit, "shuffled", watch)
    end = (1, 2)
    with pytest.raises(UserError, match="stopped by SIGINT"):
        shard(study, data, range(60, 64), tmp_path)
    end = None
    trained.clear()
    assert np.array_equal(shard(study, data, range(60, 64), tmp_path), whole)
    assert set(trained) == {(1, 2)}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"trains": 2}, r"plain\.trains: is 2, but there is no `finish`"),
        ({"trains": 1}, r"plain\.trains: is 1; must be at least 2"),
        ({"without": "nowhere.csv"}, r"plain\.without: is 'nowhere.csv', which is no file here"),
        ({"without": "class:x"}, r"plain\.without: is 'x'; must be a class: 0, 1"),
        ({"finish": {"name": "own:note", "forget": "class:13"}}, r"finish\.forget: is '13'"),
        ({"finish": {"name": "own:nothing"}}, r"plain\.finish\.name: cannot import 'own:nothing'"),
        ({"trains": 20, "finish": {"name": "own:mean"}}, r"batch: is 50, but one of 20 parts of a"),
    ],
)
def test_a_mistake_in_the_config_is_a_line(made, keys, words):
    with pytest.raises(UserError, match=words):
        made(**keys)


def test_planted_needs_a_plant(config):
    config["dataset"].pop("plant")
    config["algorithms"]["plain"]["without"] = "planted"
    with pytest.raises(UserError, match=r"plain\.without: is planted, but nothing is"):
        Study.load(config)


def test_a_group_s_file_is_part_of_what_models_are_trained_on(made, data, tmp_path):
    path = tmp_path / "group.csv"
    keys = []
    for examples in ([3, 5], [3, 6]):
        table = pd.DataFrame({"split": "train", "example": examples})
        table.to_csv(path, index=False)
        study = made(without=str(path))
        keys.append([study.key("training", "plain"), study.key("training", "masked")])
        assert np.flatnonzero(groups.members(data, str(path))).tolist() == examples
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]
    path.write_text("split,example\ntrain,1200\n")
    with pytest.raises(UserError, match=r"group.csv: example of train must be .* 0 to 1199"):
        groups.members(data, str(path))
