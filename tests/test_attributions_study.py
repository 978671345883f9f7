"""A study of attributions from elsewhere, by Snakemake; each test goes on from the one before."""

import csv
import json
import re

import numpy as np
import pytest
from safetensors.torch import save_file
from test_attributions import nets, scored
from test_workflow import Workflow, jobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workflow(repository, ridge, tmp_path_factory):
    """A small study of an estimator of one's own, run by Snakemake."""
    folder = tmp_path_factory.mktemp("scored")
    (folder / "mine.py").write_text(ridge)
    workflow = Workflow(repository, folder)
    config = scored(json.loads(json.dumps(workflow.config)), path="theirs.npy")
    workflow.config = config | {"algorithms": workflow.config["algorithms"]}
    workflow.config["datamodels"] = {"estimator": "mine:ridge"}
    workflow.config["training"]["shard"] = 120
    workflow.config["comparison"]["directions"] = 2
    workflow.recipe = workflow.config["algorithms"]["plain"]
    code, output = workflow.run()
    assert code == 0, output
    return workflow


def comparison(workflow):
    with np.load(workflow.file("plain-vs-masked/comparison.npz")) as found:
        return dict(found)


def test_scores_made_of_datamodels_compare_like_the_datamodels(workflow):
    before = comparison(workflow)
    content = json.loads(workflow.file("summary.json").read_text())
    assert content["algorithms"]["plain"]["lds"]["mean"] > 0.1  # the user's own estimator's
    with np.load(workflow.file("plain/datamodels.npz")) as own:
        np.save(workflow.folder / "theirs.npy", own["weights"].T)
    given = {"path": "theirs.npy", "transposed": True}
    workflow.config["algorithms"] = workflow.config["algorithms"] | {"plain": {"scores": given}}
    made = {"scores": 1, "comparison": 1, "verification": 1, "report": 1, "all": 1}
    assert workflow.planned() == made
    _, every = workflow.run("--dry-run", "--forceall")
    commands = re.findall(r"Shell command: .* -m modeldiff (\w+) (.*)", every)
    of = {command: {"plain", "masked"} & {*words.split()} for command, words in commands}
    assert of["train"] == of["margins"] == of["datamodels"] == of["predictions"] == {"masked"}
    assert of["scores"] == {"plain"}
    code, output = workflow.run()
    assert code == 0, output
    after = comparison(workflow)
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)

    content = json.loads(workflow.file("summary.json").read_text())
    plain = content["algorithms"]["plain"]
    assert (plain["models"], plain["lds"]["mean"]) == (0, None)
    assert list(plain["scores"]) == ["theirs.npy"]
    assert {row["algorithm"] for row in content["effects"]} == {"masked"}
    page = workflow.file("report.html").read_text()
    assert "scores from the file <code>theirs.npy</code>, untested" in " ".join(page.split())
    assert "Of plain there are only scores and no way to train it" in page
    assert 'data-chart="lds-masked"' in page
    assert 'data-chart="lds-plain"' not in page
    code, said = workflow.modeldiff("summary", "results/small/summary.json")
    assert code == 0
    assert "plain: scores from theirs.npy, not tested" in said
    code, said = workflow.modeldiff("status", "results/small", "--json")
    states = json.loads(said)["algorithms"]
    assert {name: state["room"] for name, state in states.items()} == dict.fromkeys(states, "done")
    assert (states["plain"]["models"], states["plain"]["full_models"]) == (0, 0)


def test_a_recipe_beside_the_scores_shows_effects(workflow):
    """After the test above: the models trained on all data are still there."""
    workflow.config["algorithms"]["plain"] |= workflow.recipe
    planned = workflow.planned()
    assert {"train", "train_full", "datamodels"}.isdisjoint(planned)
    code, output = workflow.run()
    assert code == 0, output
    with open(workflow.file("plain-vs-masked/effects.csv"), newline="") as file:
        assert {row["algorithm"] for row in csv.DictReader(file)} == {"plain", "masked"}
    page = workflow.file("report.html").read_text()
    assert "no way to train it" not in page
    assert "At full strength it moves" in page


def test_trak_scores_are_computed_by_a_job(workflow):
    """After the tests above."""
    pytest.importorskip("trak", reason="traker is not installed")
    (net,) = nets(1)
    save_file(net.state_dict(), workflow.folder / "net.safetensors")
    given = {"name": "trak", "checkpoints": ["net.safetensors"], "proj_dim": 128}
    own = {"scores": given, "model": {"name": "mlp", "hidden": 8}}
    workflow.config["algorithms"]["plain"] = own
    code, output = workflow.run()
    assert code == 0, output
    assert {"train", "train_full"}.isdisjoint(jobs(output))
    page = " ".join(workflow.file("report.html").read_text().split())
    assert "TRAK scores of the checkpoints <code>net.safetensors</code>, untested" in page


def test_two_files_of_scores_are_a_study_without_models(workflow):
    """After the tests above: no subsets, no model, but a page with images."""
    shape = np.load(workflow.folder / "theirs.npy").shape
    np.save(workflow.folder / "noise.npy", np.random.default_rng(0).normal(size=shape))
    both = {"path": "theirs.npy", "transposed": True}, {"path": "noise.npy", "transposed": True}
    workflow.config["algorithms"] = {
        name: {"scores": given} for name, given in zip(("plain", "masked"), both, strict=True)
    }
    del workflow.config["subsets"]
    code, output = workflow.run()
    assert code == 0, output
    assert json.loads(workflow.file("summary.json").read_text())["effects"] == []
    page = workflow.file("report.html").read_text()
    assert "No feature was tested on both" in page
    assert "of masked and plain there are only scores" in page
    assert "Each feature was put on" not in page
    code, said = workflow.modeldiff("status", "results/small", "--json")
    assert {own["room"] for own in json.loads(said)["algorithms"].values()} == {"done"}
    assert 'data-chart="lds-' not in page
    code, said = workflow.modeldiff("plan", "config.yaml")
    assert code == 0, said
    assert "0 training jobs" in said
    (workflow.folder / "theirs.npy").unlink()
    code, output = workflow.run()
    assert code == 1
    assert "algorithms.plain.scores.path: is 'theirs.npy', which is no file here" in output
    assert "Traceback" not in output
