"""Training: model m is model m, whoever trains it; what fails is counted, never averaged in."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot
from tqdm import tqdm

from modeldiff import subsets, training
from modeldiff.core import artifacts, rng
from modeldiff.core.errors import UserError
from modeldiff.dataset import as_float
from modeldiff.jobs import job_logs
from modeldiff.study import Algorithm, Study
from modeldiff.study.components import Component
from modeldiff.training import Member, engine, train, train_full, train_shard
from modeldiff.training.models import MODELS
from modeldiff.training.shard import failure, load_full, margin


def shard(study, data, models, folder, name="plain"):
    path = folder / f"{name}-{models.start}-{models.stop}.npy"
    train_shard(study, name, data, models, path, device="cpu")
    return path


def test_a_shard_trained_twice_is_equal_bit_for_bit(study, data, tmp_path):
    one = shard(study, data, range(30), tmp_path).read_bytes()
    assert shard(study, data, range(30), tmp_path).read_bytes() == one


def test_models_of_a_shard_of_10_equal_those_of_a_shard_of_50(config, data, tmp_path):
    """With the embedded study's full recipe: rounding has all its steps to grow in."""
    study = Study.load(config | {"training": {"width": 125}})
    ten = np.load(shard(study, data, range(20, 30), tmp_path))
    fifty = np.load(shard(study, data, range(50), tmp_path))
    assert np.abs(ten - fifty[20:30]).max() < 1e-4


def by_hand(study, data, model):
    """Model `model` of `plain`, by a plain PyTorch loop."""
    recipe = study.config["algorithms"]["plain"]
    mask = subsets.draw(1200, [study.subset_of(model)], study.alpha, study.seed)[0]
    images = torch.from_numpy(as_float(data.train.images[mask])).flatten(1)
    labels = torch.from_numpy(data.train.labels[mask])
    torch.manual_seed(rng.seed("weights", study.seed, "plain", model))
    net = torch.nn.Sequential(
        torch.nn.Linear(64, recipe["model"]["hidden"]),
        torch.nn.ReLU(),
        torch.nn.Linear(recipe["model"]["hidden"], 10),
    )
    settings = {k: v for k, v in recipe["optimizer"].items() if k != "name"}
    optimizer = torch.optim.SGD(net.parameters(), **settings)
    steps, step = recipe["epochs"] * 12, 0
    for epoch in range(recipe["epochs"]):
        order = rng.permutation(600, "order", study.seed, "plain", model, epoch)
        for batch in torch.from_numpy(order).split(50):
            done = step / steps
            rate = done / 0.2 if done < 0.2 else (1 - done) / 0.8
            optimizer.param_groups[0]["lr"] = settings["lr"] * rate
            optimizer.zero_grad()
            cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            step += 1
    tests = torch.from_numpy(as_float(data.test.images[data.targets])).flatten(1)
    logits, wanted = net(tests).detach().numpy(), data.test.labels[data.targets]
    rows = np.arange(len(wanted))
    correct = logits[rows, wanted].copy()
    logits[rows, wanted] = -np.inf
    kind = study.training.margin
    return correct - (logits.max(1) if kind == "max" else np.logaddexp.reduce(logits, axis=1))


def test_fused_models_equal_a_plain_loop(study, data, tmp_path):
    rows = np.load(shard(study, data, range(55, 70), tmp_path))
    for model in (55, 69):
        assert np.abs(by_hand(study, data, model) - rows[model - 55]).max() < 1e-4


def test_width_changes_no_model(study, config, data, tmp_path):
    config["training"]["width"] = 1
    one_by_one = Study.load(study.config | {"training": config["training"]})
    a = np.load(shard(study, data, range(8), tmp_path))
    b = np.load(shard(one_by_one, data, range(8), tmp_path))
    assert np.abs(a - b).max() < 1e-4


def test_models_differ_by_algorithm_and_number(study, data, tmp_path):
    plain = np.load(shard(study, data, range(4), tmp_path))
    masked = np.load(shard(study, data, range(4), tmp_path, "masked"))
    assert np.abs(plain - masked).max() > 0.1
    assert np.abs(plain[0] - plain[1]).max() > 0.1  # one subset, two seeds


def test_margins_against_their_definition():
    logits = torch.tensor([[[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]]])
    labels = torch.tensor([0, 2])
    assert margin(logits, labels, "max").tolist() == [[1.0, -1.0]]
    p = logits.softmax(2)[0, [0, 1], labels]
    expected = torch.log(p / (1 - p))
    torch.testing.assert_close(margin(logits, labels, "log_odds")[0], expected)


def test_a_model_that_diverges_is_a_row_of_nan_with_its_cause(study, data, tmp_path):
    plain = study.algorithms["plain"]
    options = plain.optimizer.options | {"lr": 1e20, "weight_decay": 0.0}
    wild = dataclasses.replace(plain, optimizer=Component("sgd", options))
    # No config may ask for such a rate.
    diverging = dataclasses.replace(study, algorithms=study.algorithms | {"plain": wild})
    path = shard(diverging, data, range(5), tmp_path)
    record, rows = artifacts.record(path), np.load(path)
    assert set(record["failed"]) == {"0", "1", "2", "3", "4"}
    assert set(record["failed"].values()) == {"diverged: outputs are not finite"}
    assert np.isnan(rows).all()


def test_one_diverging_model_leaves_its_neighbours_as_they_are(study, data, monkeypatch, tmp_path):
    expected = np.load(shard(study, data, range(3), tmp_path))
    build, calls = MODELS["mlp"], iter(range(100))

    def poisoned(*arguments, **options):
        module = build(*arguments, **options)
        if next(calls) == 2:  # call 0 asks whether the module can be stacked
            module[1].weight.data.fill_(torch.nan)
        return module

    monkeypatch.setitem(MODELS, "mlp", poisoned)
    path = shard(study, data, range(3), tmp_path)
    rows = np.load(path)
    assert artifacts.record(path)["failed"] == {"1": "diverged: outputs are not finite"}
    assert np.isnan(rows[1]).all()
    np.testing.assert_array_equal(rows[[0, 2]], expected[[0, 2]])


def test_failure_names_its_cause():
    labels = np.array([0, 0, 0, 1])
    good = np.array([1.0, 1.0, -1.0, 1.0], np.float32)
    always_class_0 = np.array([1.0, 1.0, 1.0, -1.0], np.float32)
    assert failure(good, labels) is None
    assert failure(np.full(4, np.inf), labels) == "diverged: outputs are not finite"
    cause = "no better than chance: mean accuracy over 2 classes 0.500"
    assert failure(always_class_0, labels) == cause


def test_a_model_that_is_right_but_unsure_has_not_failed(study, data, tmp_path, monkeypatch):
    """All its log-odds are below 0, for it gives the right class a ninth of the probability."""
    labels = torch.from_numpy(data.test.labels[data.targets])
    sure = 0.1 * one_hot(labels, len(data.classes)).float()
    state = {"weight": torch.zeros(1, 1)}
    trained = SimpleNamespace(models=1, logits=lambda _: sure[None], state=state)
    monkeypatch.setattr(engine, "train", lambda *_, **__: iter([trained]))
    path = shard(study, data, range(1), tmp_path)
    assert (np.load(path) < 0).all()
    assert artifacts.record(path)["failed"] == {}


class Bar(tqdm):
    """Shows each change, and notes the rates."""

    def __init__(self, **how):
        self.rates = []
        super().__init__(**how | {"mininterval": 0})

    def display(self, *args, **how):
        self.rates.append(self.format_dict["rate"])
        return super().display(*args, **how)


def test_the_bar_names_the_epoch_between_two_models(study, data, tmp_path, monkeypatch, capsys):
    bars = []
    monkeypatch.setattr(training.shard, "tqdm", lambda **how: bars.append(Bar(**how)) or bars[0])
    shard(study, data, range(2), tmp_path)
    said = capsys.readouterr().err.split("\r")
    epochs = study.algorithms["plain"].epochs
    for epoch in range(1, epochs + 1):
        assert any("| 0/2 [" in bar and f" epoch {epoch}/{epochs}]" in bar for bar in said)
        assert all(job_logs.BAR.search(bar) for bar in said if "epoch" in bar)
    # tqdm then shows the mean so far; its smoothed rate leaves out epochs that ended no model.
    assert set(bars[0].rates) == {None}


def test_an_empty_range_of_models_is_named(study, data, tmp_path):
    for models in (range(5, 5), range(100, 140)):
        with pytest.raises(UserError, match=f"models {models.start}:{models.stop}: must be .*120"):
            shard(study, data, models, tmp_path)
    assert not list(tmp_path.iterdir())


def test_full_models_are_read_as_they_were_trained(study, data, tmp_path):
    path = tmp_path / "full.npz"
    train_full(study, "plain", data, range(3), path, device="cpu")
    (trained,) = load_full(study, "plain", data, [path], device="cpu")
    members = [Member((study.seed, "plain", "full", m), np.arange(1200)) for m in range(3)]
    (expected,) = train(study.algorithms["plain"], data.train, 10, members, width=3)
    images = as_float(data.test.images)
    torch.testing.assert_close(trained.logits(images), expected.logits(images), rtol=0, atol=0)
    accuracy = (trained.logits(images).argmax(2).numpy() == data.test.labels).mean()
    assert accuracy > 0.7


def own(study: Study, **parts) -> Algorithm:
    return dataclasses.replace(study.algorithms["plain"], **parts)


def some(study, n):
    masks = subsets.draw(1200, range(n), study.alpha, study.seed)
    return [Member(("own", m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]


def test_a_users_own_model_with_batch_normalisation_trains_one_by_one(study, data):
    algorithm = own(study, model=Component("own:normalised_net", {"hidden": 16}))
    groups = list(train(algorithm, data.train, 10, some(study, 2), width=50))
    assert len(groups) == 2
    for group in groups:
        logits = group.logits(as_float(data.test.images))
        assert logits.shape == (1, 597, 10)
        assert (logits.argmax(2).numpy() == data.test.labels).mean() > 0.7


def test_a_users_own_training_function_and_preprocessing(study, data):
    algorithm = own(
        study,
        train=Component("own:full_batch", {"steps": 150}),
        preprocess=(Component("own:negative", {}),),
    )
    groups = list(train(algorithm, data.train, 10, some(study, 2), width=50))
    logits = torch.cat([group.logits(as_float(data.test.images)) for group in groups])
    accuracy = (logits.argmax(2).numpy() == data.test.labels).mean(1)
    assert (accuracy > 0.6).all()


def test_blank_border_blinds_to_the_watermark(study, data):
    images = torch.from_numpy(as_float(data.test.images))
    seen = engine.preprocess(study.algorithms["masked"], images)
    assert (seen[..., :2, :] == 0).all()
    assert (seen[..., -2:] == 0).all()
    torch.testing.assert_close(seen[..., 2:-2, 2:-2], images[..., 2:-2, 2:-2])
