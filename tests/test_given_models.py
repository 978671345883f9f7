"""Checkpoints of the user's own as algorithms of a study: `scores: {name: gradients}`."""

import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import modeldiff
from modeldiff import cli, dataset
from modeldiff.attribution import given_models, influence_step
from modeldiff.comparison.step import weights
from modeldiff.core.errors import UserError
from modeldiff.planning import plan
from modeldiff.study import Study, given_files
from modeldiff.study.stages import STAGES
from modeldiff.training.shard import load_full

MODELS = 3
CONFIG = {
    "study": "two",
    "dataset": {"name": "digits"},
    "algorithms": {
        "plain": {
            "scores": {"name": "gradients", "checkpoints": ["plain/*.pt"]},
            "model": {"name": "mlp", "hidden": 16},
        },
        "masked": {
            "scores": {"name": "gradients", "checkpoints": ["masked/*.pt"]},
            "model": {"name": "mlp", "hidden": 16},
            "preprocess": [{"name": "blank_border", "width": 2}],
        },
    },
    "comparison": {"pairs": [["plain", "masked"]], "method": "residual", "directions": 2},
}


class Masked(nn.Module):
    """`blank_border` of width 2, written again."""

    def forward(self, images):
        inner = torch.zeros_like(images)
        inner[..., 2:-2, 2:-2] = images[..., 2:-2, 2:-2]
        return inner


def net():
    """As `mlp` of 16 hidden units, under names of its own that a test maps to those."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def trained(masked, seed, raw):
    """A network trained on all digits, and itself without what prepares images."""
    torch.manual_seed(seed)
    module = net()
    whole = nn.Sequential(Masked(), module) if masked else module
    x = torch.from_numpy(raw.train.images).float() / 255
    y = torch.from_numpy(raw.train.labels)
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        for rows in torch.randperm(len(y)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(whole(x[rows]), y[rows]).backward()
            optimizer.step()
    return whole, module


@pytest.fixture(scope="module")
def raw():
    return dataset.digits()


@pytest.fixture(scope="module")
def models(raw):
    """Three networks of either recipe: whole, and what is saved of them."""
    return {
        name: [trained(name == "masked", seed, raw) for seed in range(MODELS)]
        for name in ("plain", "masked")
    }


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    """Their state dicts, by the names that ModelDiff's `mlp` has for its tensors."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, pairs in models.items():
            (folder / name).mkdir()
            for seed, (_, module) in enumerate(pairs):
                torch.save(renamed(module), f"{name}/seed-{seed}.pt")
    return folder


def renamed(module):
    from modeldiff.study import Algorithm
    from modeldiff.training import building

    entry = {"model": {"name": "mlp", "hidden": 16}, "preprocess": [], "flip_average": False}
    ours = building.architecture(Algorithm.of(entry), (1, 8, 8), 10).state_dict()
    return dict(zip(ours, module.state_dict().values(), strict=True))


@pytest.fixture
def study(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return Study.load(CONFIG)


@pytest.fixture
def data(study):
    dataset.prepare(study, "results/two/dataset/manifest.json")
    return dataset.read("results/two/dataset/manifest.json", study.key("dataset"))


def changed(name, **entries):
    """The config with other entries of an algorithm."""
    algorithm = CONFIG["algorithms"][name] | entries
    return CONFIG | {"algorithms": CONFIG["algorithms"] | {name: algorithm}}


def test_paths_and_patterns_name_each_file_once_in_order(folder, monkeypatch):
    monkeypatch.chdir(folder)
    named = given_files.files(["plain/seed-2.pt", "plain/*.pt", "none/*.pt"])
    assert named == ("plain/seed-2.pt", "plain/seed-0.pt", "plain/seed-1.pt")


def test_nothing_is_trained_and_predictions_gradients_and_directions_follow(study):
    assert not any(STAGES[name].of(study) for name in ("training", "retraining", "scores"))
    for name in ("full", "gradients", "predictions"):
        assert STAGES[name].of(study) == [("plain",), ("masked",)]
    outline = plan.outline(study)
    files = [f"plain/seed-{seed}.pt" for seed in range(MODELS)]
    assert outline["scores"]["plain"] == files
    assert any("gradients of 3 checkpoints" in line for line in plan.lines(outline))


def test_the_study_compares_what_a_call_of_compare_checkpoints_does(study, data, raw, models):
    """The influences of both are those of the modules that were saved."""
    shape = len(data.targets), len(data.train.labels)
    found = {}
    for name in study.names:
        full = f"results/two/{name}/full.npz"
        given_models.write(study, name, data, range(MODELS), full, device="cpu")
        gradients = f"results/two/{name}/gradients.npz"
        influence_step.write(study, name, data, [full], gradients, device="cpu")
        found[name] = weights(study, name, gradients, shape)

        (group,) = load_full(study, name, data, [full], device="cpu")
        logits = group.logits(data.test.images)
        x = torch.from_numpy(data.test.images).float() / 255
        for at, (whole, _) in enumerate(models[name]):
            torch.testing.assert_close(logits[at], whole(x).detach(), rtol=1e-4, atol=1e-4)

    compared = modeldiff.compare_checkpoints(
        *[[whole for whole, _ in models[name]] for name in ("plain", "masked")],
        train=(raw.train.images, raw.train.labels),
        test=(raw.test.images, raw.test.labels),
    )
    for name, influence in (("plain", compared.influence_a), ("masked", compared.influence_b)):
        expected = influence[data.targets]
        close = np.abs(found[name] - expected).max()
        assert close < 1e-3 * np.abs(expected).max()


def test_every_command_runs_and_the_page_says_what_it_is_made_of(folder, monkeypatch):
    """The commands that Snakemake's rules consist of, in one process."""
    monkeypatch.chdir(folder)
    corner = {"name": "watermark", "class": "3", "strengths": [0.25, 0.5, 1.0]}
    shown = CONFIG | {
        "study": "shown",
        "dataset": {"name": "digits", "verification_share": 0.25},
        "verification": {"transformations": {"corner": corner}},
    }
    at = "results/shown"
    Study.load(shown).write(f"{at}/study.json")

    def run(*words):
        ended = CliRunner().invoke(cli.main, words, catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return ended.output

    study = f"{at}/study.json"
    data = ("--dataset", f"{at}/dataset/manifest.json")
    run("dataset", study, "--output", data[1])
    for name in ("plain", "masked"):
        full = f"{at}/{name}/full/0-3.npz"
        run("train", "--full", study, name, "--models", "0:3", *data, "--output", full)
        run("gradients", study, name, full, *data, "--output", f"{at}/{name}/gradients.npz")
        run("predictions", study, name, full, *data, "--output", f"{at}/{name}/predictions.npz")
    of = [f"{at}/{name}/gradients.npz" for name in ("plain", "masked")]
    pair = ("plain", "masked")
    found = f"{at}/plain-vs-masked/comparison.npz"
    run("comparison", study, *pair, "--weights", *of, *data, "--output", found)
    moved = [f"{at}/{name}/predictions.npz" for name in pair]
    run("verification", study, *pair, *moved, "--output", f"{at}/plain-vs-masked/effects.csv")
    run("report", study)

    page = " ".join((folder / at / "report.html").read_text().split())
    assert "Of plain there are 3 checkpoints, compared by their gradients, untested." in page
    assert "shown to 3 models of plain, 3 models of masked, trained on all training images" in page
    said = run("summary", at)
    assert re.search(r"^plain: right on \d+\.\d% of the test images, scores from", said, re.M)
    assert "corner at strength 1 moves masked towards 3 by +0.0 points" in said


def test_another_file_or_another_content_is_another_result(folder, monkeypatch, study):
    before = study.key("full", "plain"), study.key("comparison", "plain", "masked")
    monkeypatch.chdir(folder)
    torch.save(torch.load("plain/seed-0.pt", weights_only=True), "plain/seed-9.pt")
    try:
        more = Study.load(CONFIG)
    finally:
        (folder / "plain/seed-9.pt").unlink()
    assert (more.key("full", "plain"), more.key("comparison", "plain", "masked")) != before
    assert more.key("full", "masked") == study.key("full", "masked")
    assert more.full_models_of("plain") == MODELS + 1


def test_a_recipe_beside_them_is_what_a_proof_trains_by(folder, monkeypatch):
    monkeypatch.chdir(folder)
    recipe = {"optimizer": {"name": "sgd", "lr": 0.1}, "epochs": 2, "batch": 50}
    algorithms = {}
    for name, entry in CONFIG["algorithms"].items():
        algorithms[name] = entry | recipe
    study = Study.load(CONFIG | {"algorithms": algorithms, "proof": {}})
    assert study.proved == (("plain", "masked"),)
    assert study.full_models_of("plain") == MODELS
    assert not STAGES["training"].of(study)


def test_what_is_no_checkpoint_of_the_model_gives_one_line(study, data, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=r"plain\.scores\.checkpoints\.0: is 'none/\*\.pt', which"):
        Study.load(changed("plain", scores={"name": "gradients", "checkpoints": ["none/*.pt"]}))
    contrast = CONFIG["comparison"] | {"method": "contrast"}
    with pytest.raises(UserError, match="residual` would be right"):
        Study.load(CONFIG | {"comparison": contrast, "subsets": {"models": 600}})
    wider = Study.load(changed("plain", model={"name": "mlp", "hidden": 17}))
    with pytest.raises(UserError, match=r"plain/seed-0\.pt: is not a state dict of the model mlp"):
        given_models.write(wider, "plain", data, range(MODELS), "x.npz", device="cpu")


def test_a_model_no_better_than_chance_is_refused_by_its_file(study, data, folder, monkeypatch):
    """Here all its classes are moved by one place."""
    monkeypatch.chdir(folder)
    state = torch.load("plain/seed-0.pt", weights_only=True)
    *_, weight, bias = state
    for name in (weight, bias):
        state[name] = state[name].roll(1, 0)
    torch.save(state, "rolled.pt")
    rolled = {"name": "gradients", "checkpoints": ["rolled.pt"]}
    wrong = Study.load(changed("plain", scores=rolled))
    with pytest.raises(UserError, match=r"rolled\.pt: as a model of plain, no better than chance"):
        given_models.write(wrong, "plain", data, range(1), "x.npz", device="cpu")
