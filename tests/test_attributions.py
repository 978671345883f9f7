"""Attributions from elsewhere: files of scores, TRAK, an estimator of one's own."""

import json
import re

import numpy as np
import pytest
import torch
from conftest import small
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

from modeldiff.attribution import step, trak
from modeldiff.comparison import weights
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.datamodels import fit
from modeldiff.study import Study
from modeldiff.subsets import draw


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder of the user's, in which paths of a config are looked for."""
    monkeypatch.chdir(tmp_path)


def scored(config, **scores):
    """The small study with scores in place of `plain`'s datamodels, and no recipe for it."""
    config = small(config)
    config |= {"preset": None, "comparison": config["comparison"] | {"method": "residual"}}
    config["training"]["margin"], config["datamodels"] = "log_odds", {"estimator": "ridge"}
    config["algorithms"]["plain"] = {"scores": scores}
    return config


@pytest.fixture
def array(data):
    """Some scores, [targets x train]."""
    shape = len(data.targets), len(data.train.labels)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def taken(config, data, path="made/scores.npy"):
    study = Study.load(config)
    step.write(study, "plain", data, path, device="cpu")
    return weights(study, "plain", path, (len(data.targets), len(data.train.labels)))


def test_every_kind_of_file_gives_the_same_scores(config, data, array):
    np.save("a.npy", array)
    np.save("b.npy", array.T)
    np.savez("a.npz", other=array[:2], mine=array.astype(np.float64))
    torch.save({"scores": torch.from_numpy(array)}, "a.pt")
    save_file({"scores": torch.from_numpy(array)}, "a.safetensors")
    ways = [{"path": "a.npy"}, {"path": "b.npy", "transposed": True}]
    ways += [{"path": "a.npz", "key": "mine"}, {"path": "a.pt"}, {"path": "a.safetensors"}]
    for scores in ways:
        found = taken(scored(config, **scores), data)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, array)
    with open("a.safetensors", "rb") as file:
        assert artifacts.record("made/scores.npy")["sources"] == {
            "a.safetensors": artifacts.digest(file)
        }


def test_of_a_row_for_each_test_image_the_targets_are_taken(config, data, array):
    everything = np.full((len(data.test.labels), array.shape[1]), np.nan, np.float32)
    everything[data.targets] = array
    np.save("a.npy", everything)
    np.testing.assert_array_equal(taken(scored(config, path="a.npy"), data), array)


class Trap:
    def __reduce__(self):
        return open, ("sprung", "w")


def test_a_file_that_cannot_be_used_is_one_line_that_names_it(config, data, array, tmp_path):
    np.save("short.npy", array[:, :50])
    np.save("turned.npy", array.T)
    np.savez("two.npz", x=array, y=array)
    np.save("hole.npy", np.where(array > 3, np.inf, array))
    np.save("trap.npy", np.array([Trap()], object), allow_pickle=True)
    torch.save({"scores": Trap()}, "trap.pt")
    (tmp_path / "a.txt").write_text("1")
    targets, train = array.shape
    for name, words in {
        "short.npy": f"holds [{targets}, 50]; must be [{targets}, {train}], targets x training",
        "turned.npy": f"holds [{train}, {targets}]; must be",
        "two.npz": "name one of its arrays by key: x, y",
        "hole.npy": "are not finite, first of target",
        "trap.npy": "cannot be read as .npy of numbers",
        "trap.pt": "cannot be read as .pt of numbers",
        "a.txt": "must be .npy, .npz",
    }.items():
        with pytest.raises(UserError, match=r"^[^\n]*$") as caught:
            taken(scored(config, path=name), data)
        assert str(caught.value).startswith(f"{name}: ")
        assert words in str(caught.value)
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "made/scores.npy").exists()


RECIPE = {"optimizer": {"name": "sgd", "lr": 0.1}, "epochs": 1, "batch": 5}
WRONG = [
    ({"scores": {"path": "b.npy"}}, "algorithms.plain.scores.path: is 'b.npy', which is no file"),
    ({"scores": {}}, "algorithms.plain.scores.path: is missing"),
    ({"scores": {"path": "a.npy", "transpose": True}}, "did you mean `transposed`?"),
    ({"scores": {"name": "trak"}}, "algorithms.plain.scores.checkpoints: is missing"),
    (
        {"scores": {"name": "trak", "checkpoints": ["a.npy", "b.npy"]}},
        "algorithms.plain.scores.checkpoints.1: is 'b.npy', which is no file here",
    ),
    (
        {"scores": {"name": "trak", "checkpoints": ["a.npy"]}},
        "algorithms.plain.model: is missing",
    ),
    ({"scores": {"path": "a.npy"}, "model": {"name": "mlp"}}, "plain.model: is not used without"),
    ({"scores": {"path": "a.npy"}, "flip_average": True}, "flip_average: is not used without"),
    ({"scores": {"path": "a.npy"}, "epochs": 3}, "algorithms.plain.optimizer: is missing"),
    ({"scores": {"path": "a.npy"}} | RECIPE, "algorithms.plain.model: is missing"),
    ({}, "algorithms.plain.model: is missing"),
]


@pytest.mark.parametrize(("entry", "words"), WRONG, ids=str)
def test_a_mistake_in_an_entry_is_one_line(config, entry, words, tmp_path):
    (tmp_path / "a.npy").touch()
    config = scored(config)
    config["algorithms"]["plain"] = entry
    with pytest.raises(UserError, match=r"^[^\n]*$") as caught:
        Study.load(config)
    assert words in str(caught.value)


def test_a_contrast_of_scores_is_refused_and_so_is_a_study_without_subsets(config, tmp_path):
    (tmp_path / "a.npy").touch()
    config = scored(config, path="a.npy")
    del config["comparison"]["method"]
    with pytest.raises(UserError, match=r"method: is contrast, .* plain has .* `residual` would"):
        Study.load(config)
    config["comparison"]["method"] = "residual"
    del config["subsets"]
    with pytest.raises(UserError, match=r"subsets: is missing$"):
        Study.load(config)
    config["algorithms"]["masked"] = {"scores": {"path": "a.npy", "transposed": True}}
    assert (Study.load(config).models, Study.load(config).fitted) == (0, ())


def test_what_scores_depend_on_and_what_depends_on_them(config, tmp_path):
    (tmp_path / "a.npy").touch()
    with_recipe = small(json.loads(json.dumps(config)))["algorithms"]["plain"]
    before = Study.load(
        scored(config, path="a.npy")
        | {"algorithms": {"plain": with_recipe} | {"masked": with_recipe}}
    )
    config = scored(config, path="a.npy")
    config["algorithms"]["plain"] |= with_recipe
    config["algorithms"]["masked"] = with_recipe
    study = Study.load(config)
    config["algorithms"]["plain"]["scores"]["transposed"] = True
    turned = Study.load(config)
    for room in ("full", "predictions"):  # scores beside a recipe train nothing again
        assert before.key(room, "plain") == study.key(room, "plain") == turned.key(room, "plain")
    assert study.key("scores", "plain") != turned.key("scores", "plain")
    assert study.key("comparison", "plain", "masked") != turned.key("comparison", "plain", "masked")
    assert study.key("datamodels", "masked") == turned.key("datamodels", "masked")
    assert (study.fitted, study.trained) == (("masked",), ("plain", "masked"))
    config["verification"]["candidates"] = 2
    assert Study.load(config).tried == (("plain", "masked"),)
    config["algorithms"]["plain"] = {"scores": {"path": "a.npy"}}
    assert Study.load(config).tried == ()  # there are no models of plain to try anything on


# TRAK


def nets(n, pixels=64):
    for seed in range(n):
        torch.manual_seed(seed)
        layers = torch.nn.Linear(pixels, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10)
        yield torch.nn.Sequential(torch.nn.Flatten(), *layers)


def test_trak_scores_are_those_of_the_prepared_images_in_order(config, data, tmp_path):
    pytest.importorskip("trak", reason="traker is not installed")
    first, second = states = [net.state_dict() for net in nets(2)]
    save_file(first, "first.safetensors")
    torch.save(second, "second.pt")
    given = {"name": "trak", "checkpoints": ["first.safetensors", "second.pt"], "proj_dim": 128}
    config = scored(config, **given)
    config["algorithms"]["plain"] |= {
        "model": {"name": "mlp", "hidden": 8},
        "preprocess": [{"name": "blank_border", "width": 2}],
    }
    found = taken(config, data)

    def prepared(images, labels):
        images = images / np.float32(255)
        images[..., :2, :] = images[..., -2:, :] = images[..., :2] = images[..., -2:] = 0
        tensors = torch.from_numpy(images), torch.from_numpy(labels)
        return DataLoader(TensorDataset(*tensors), 50)

    train = prepared(data.train.images, data.train.labels)
    targets = prepared(data.test.images[data.targets], data.test.labels[data.targets])
    (net,) = nets(1)
    expected = trak.scores(net, states, train, targets, tmp_path / "features", projected=128)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert list(artifacts.record("made/scores.npy")["sources"]) == given["checkpoints"]
    assert [path.name for path in (tmp_path / "made").iterdir() if path.is_dir()] == []


def test_checkpoints_of_another_model_are_one_line(config, data):
    pytest.importorskip("trak", reason="traker is not installed")
    (net,) = nets(1)
    torch.save(net.state_dict(), "a.pt")
    torch.save({"model": Trap()}, "b.pt")
    for name, words in {
        "a.pt": "is not a state dict of the model mlp: Error(s) in loading",
        "b.pt": "cannot be read",
    }.items():
        config = scored(config, name="trak", checkpoints=[name])
        config["algorithms"]["plain"]["model"] = {"name": "mlp", "hidden": 16}
        with pytest.raises(UserError, match=r"^[^\n]*$") as caught:
            taken(config, data)
        assert str(caught.value).startswith(f"{name}: {words}")


# An estimator of one's own


def drawn():
    masks = draw(20, range(300), 0.5, 0)
    random = np.random.default_rng(0)
    margins = masks @ random.normal(size=(20, 6)) + random.normal(size=(300, 6))
    margins[7, 2] = np.nan  # a model that failed
    return masks, margins.astype(np.float32)


@pytest.fixture
def mine(ridge, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(ridge)


def test_an_estimator_of_ones_own_gets_the_models_that_did_not_fail(mine):
    masks, margins = drawn()
    own, built_in = (fit(masks, margins, estimator=e) for e in ("mine:ridge", "ridge"))
    np.testing.assert_allclose(own.weights, built_in.weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own.intercept, built_in.intercept, rtol=1e-4, atol=1e-5)
    assert (own.n_models, own.n_failed, own.estimator) == (299, 1, "mine:ridge")
    some = fit(masks, margins, estimator="mine:ridge", targets=[4, 1])
    np.testing.assert_allclose(some.weights, own.weights[[4, 1]])


@pytest.mark.parametrize("returned", ["1", "(masks, margins)", "(margins.T @ masks, None)"])
def test_what_an_estimator_must_return_is_said(tmp_path, monkeypatch, returned):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"mine{abs(hash(returned))}"
    (tmp_path / f"{name}.py").write_text(f"def own(masks, margins):\n    return {returned}\n")
    with pytest.raises(UserError, match=r"must be weights \[6, 20\] \[targets x exam"):
        fit(*drawn(), estimator=f"{name}:own")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"estimator": "nowhere.at:all"}, "datamodels.estimator: cannot import 'nowhere.at:all'"),
        ({"estimator": "math:sqrt", "jobs": 2}, "datamodels.jobs: is 2; an estimator of your own"),
    ],
)
def test_a_mistake_about_an_estimator_is_one_line(config, own, words, tmp_path):
    (tmp_path / "a.npy").touch()
    with pytest.raises(UserError, match=re.escape(words)):
        Study.load(scored(config, path="a.npy") | {"datamodels": own})
