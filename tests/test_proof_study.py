"""Proposals and proofs of a study: in the workflow, on the page, and what is refused."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score

from modeldiff import dataset
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.jobs import sharding
from modeldiff.proof import step
from modeldiff.report import proofs
from modeldiff.study import Study, stages

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(repository, tmp_path_factory):
    """A small study of the planted digits that proposes and proves, by Snakemake."""
    folder = tmp_path_factory.mktemp("proof")
    config = yaml.safe_load((repository / "config/config.yaml").read_text())
    config |= {"study": "small", "results": str(folder)}
    config["subsets"] = {"models": 120, "evaluation": {"subsets": 25, "repeats": 2}}
    config["verification"]["models"] = 4
    config["proof"] = {"proposers": 3, "proposals": 1, "models": 3}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet"]
    command += ["--snakefile", repository / "Snakefile", "--configfile", path]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return folder / "small", path


def test_the_planted_difference_is_proposed_and_proved(finished):
    folder, config = finished
    study = Study.read(config)
    table = pd.read_csv(folder / "plain-vs-masked/proof.csv")
    assert list(table.columns) == list(step.COLUMNS)
    assert list(table.source) == ["influence", "predictive"]
    first = table.iloc[0]
    assert first.adjusted < 0.01
    assert first.verdict in ("more", "only")
    assert first.a > 2 * abs(first.b)
    assert first.models == 3
    manifest = folder / "dataset/manifest.json"
    planted = dataset.read_manifest(manifest, study.key("dataset"))["planted"]["train_examples"]
    proposal = step.read_proposals(
        study, ("plain", "masked"), folder / "plain-vs-masked/proposals.npz"
    )[0]
    truth = np.isin(np.arange(1200), planted)
    assert average_precision_score(truth, proposal.examples) > 0.95


def test_retrained_models_are_numbered_so_that_more_can_join(finished):
    study = Study.read(finished[1])
    assert study.retrained == 12
    numbers = [step.number(study, model) for model in range(study.retrained)]
    assert len(set(numbers)) == 12
    assert [n.repeat for n in numbers] == [0] * 4 + [1] * 4 + [2] * 4
    more = Study.load(study.config | {"proof": study.config["proof"] | {"models": 5}})
    key = ("retraining", "plain", "masked", "plain")
    assert more.key(*key) == study.key(*key)
    ranges = list(sharding.cut(more, "retraining", "plain", finished[0], ("plain", "masked")))
    assert ranges == [range(0, 12), range(12, 20)]  # those that are there stay
    assert more.key("proof", "plain", "masked") != study.key("proof", "plain", "masked")


def test_the_halves_train_on_what_the_proposal_says(finished):
    folder, config = finished
    study = Study.read(config)
    path = folder / stages.path("retrained", "plain", "masked", "plain", 0, 12)
    record = artifacts.record(path)
    assert record["models"] == [0, 12]
    assert np.load(path).shape == (12, 448)
    assert study.key("retraining", "plain", "masked", "plain") == record["key"]


def test_the_page_orders_and_signs_what_is_proved(finished):
    folder, config = finished
    study = Study.read(config)
    found = proofs.read(study, folder, "plain", "masked")
    assert [one.differs for one in found] == sorted((one.differs for one in found), reverse=True)
    for one in found:
        larger = one.row["a"] if one.follower == "plain" else one.row["b"]
        assert larger > 0
        assert one.row["a_low"] <= one.row["a"] <= one.row["a_high"]
    assert "plain follows it" in found[0].words


def test_the_summary_and_the_page_show_every_proposal(finished):
    folder, _ = finished
    entries = json.loads((folder / "summary.json").read_text())["proofs"]
    assert [set(step.COLUMNS) < set(entry) for entry in entries] == [True, True]
    first = entries[0]
    assert (first["a_name"], first["b_name"], first["needed"]) == ("plain", "masked", None)
    html = (folder / "report.html").read_text()
    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)[1]
    shown = json.loads(content)["pairs"][0]["ways"][2]["directions"]
    for strips, entry in zip(shown, entries, strict=True):
        splits = [(strip["split"], strip["end"]) for strip in strips]
        assert splits == [("train", "high"), ("test", "high"), ("train", "low"), ("test", "low")]
        assert [example for example, _ in strips[0]["examples"]] == entry["train_examples"]
    assert "plain follows it" in html


def test_models_that_are_missing_are_named(finished, tmp_path):
    folder, config = finished
    study = Study.read(config)
    pair = ("plain", "masked")
    shards = [folder / stages.path("retrained", *pair, "plain", 0, 12)]
    proposals = folder / "plain-vs-masked/proposals.npz"
    with pytest.raises(UserError, match="retrained models of masked are 0; must be 12"):
        step.write(study, pair, proposals, shards, tmp_path / "proof.csv")
    assert not list(tmp_path.iterdir())


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "modeldiff", *map(str, arguments)], capture_output=True, text=True
    )


def test_a_pair_or_algorithm_that_is_not_proved_is_one_line(finished, repository, tmp_path):
    folder, config = finished
    proposals = folder / "plain-vs-masked/proposals.npz"
    manifest = folder / "dataset/manifest.json"
    output = ["--output", tmp_path / "x.npy"]
    retrain = ["--dataset", manifest, "--models", "0:12", *output]
    done = command("retrain", config, "masked", "plain", "plain", proposals, *retrain)
    assert (done.returncode, done.stderr) == (
        1,
        "modeldiff: masked and plain: study small proves plain and masked\n",
    )
    done = command("retrain", config, "plain", "masked", "other", proposals, *retrain)
    assert (done.returncode, done.stderr) == (
        1,
        "modeldiff: algorithm 'other': must be one of plain and masked\n",
    )
    without = repository / "config/null.yaml"
    checkpoint = folder / "plain/full/0-4.npz"
    done = command("gradients", without, "plain", checkpoint, "--dataset", manifest, *output)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_full_models_are_trained_for_proposals_alone(config):
    config["verification"] = {"models": 7}
    config.pop("proof", None)
    assert Study.load(config).full_models == 0
    proving = Study.load(config | {"proof": {"proposers": 3}})
    assert proving.full_models == 3
    assert proving.shown == ()
    assert stages.STAGES["full"].of(proving) == [("plain",), ("masked",)]
    assert stages.STAGES["gradients"].of(proving) == [("plain",), ("masked",)]
