"""Proposals and proofs of a study: in the workflow, on the page, and what is refused."""

import json
import os
import re
import signal
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
from modeldiff.jobs import changes, sharding, status
from modeldiff.mining import removal
from modeldiff.proof import step
from modeldiff.proof.experiments import retrained_model
from modeldiff.report import proofs
from modeldiff.study import Study, inputs, stages

pytestmark = pytest.mark.slow


PAIR = ("plain", "masked")
# Training and test images of any kind: nothing sets them apart.
GROUP = "split,example\n" + "".join(f"train,{i}\ntest,{i}\n" for i in range(40, 60))


@pytest.fixture(scope="module")
def finished(repository, tmp_path_factory):
    """A small study of the planted digits that proposes and proves, by Snakemake."""
    folder = tmp_path_factory.mktemp("proof")
    config = yaml.safe_load((repository / "config/config.yaml").read_text())
    config |= {"study": "small", "results": str(folder)}
    config["subsets"] = {"models": 120, "evaluation": {"subsets": 25, "repeats": 2}}
    config["verification"]["models"] = 10
    few = {"models": 5, "crops": 100, "steps": 10, "removal_models": 2}
    config["verification"]["mine"] = few
    config["datamodels"] = {"prior": "gradients", "jobs": 2}
    group = folder / "group.csv"
    group.write_text(GROUP)
    config["proof"] = {"proposers": 3, "proposals": 1, "models": 3, "rounds": 2}
    config["proof"] |= {"removal": [0.01], "groups": {"some": str(group)}}
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
    assert list(table.source) == ["influence", "predictive", "group some", *table.source[:2]]
    first = table.iloc[0]
    assert first.adjusted < 0.01
    assert first.verdict in ("more", "only")
    assert first.a > 2 * abs(first.b)
    assert (first.models, first.rounds) == (3, 1)
    manifest = folder / "dataset/manifest.json"
    planted = dataset.read_manifest(manifest, study.key("dataset"))["planted"]["train_examples"]
    proposal = step.read_proposals(
        study, ("plain", "masked"), folder / "plain-vs-masked/proposals.npz"
    )[0]
    truth = np.isin(np.arange(1200), planted)
    assert average_precision_score(truth, proposal.examples) > 0.95


def test_few_datamodels_with_gradients_as_their_prior_predict(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    # From 70 models; without the prior .17.
    assert summary["algorithms"]["plain"]["lds"]["mean"] > 0.35
    assert "start from the gradients" in (finished[0] / "report.html").read_text()


def test_a_group_of_the_users_stands_in_the_map_of_where_they_differ(finished):
    (table,) = json.loads((finished[0] / "summary.json").read_text())["maps"]
    of_group = [
        cell for cell in table["cells"] if "group some" in (cell["test_class"], cell["train_class"])
    ]
    assert len(of_group) == 21  # with each of ten classes, both ways, and with itself
    assert len(table["cells"]) == 121


def test_other_ways_stand_beside_what_is_proved(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    found = {one["measure"]: one for one in summary["baselines"]}
    assert found["churn"]["p_value"] == 1 / 1000  # none of 999 exchanges is as large
    assert found["surrogate trees"]["met"]["recall"] > 0.5
    assert found["surrogate trees"]["rules"][-1]["rule"] == "any image"
    assert found["CKA"]["met"] is None
    page = (folder / "report.html").read_text()
    assert "test images of proposal 1, which is proved" in page


def test_what_is_proved_is_left_out_in_the_next_round(finished):
    table = pd.read_csv(finished[0] / "plain-vs-masked/proof.csv")
    removal = table.iloc[3]  # of the first proposal
    assert (removal.proposal, removal.left_out, removal.models) == (1, 12, 3)
    assert removal.a > 1  # of a typical margin: the planted images are twelve
    assert removal.difference_low > 0
    look = pd.read_csv(finished[0] / "plain-vs-masked/looks/1.csv")
    assert look.iloc[3].models == 0


def test_what_is_decided_gets_no_more_models(finished):
    folder, _ = finished
    look = pd.read_csv(folder / "plain-vs-masked/looks/1.csv")
    margins = np.load(folder / stages.path("retrained", *PAIR, "plain", "2", 0, 30))
    trained = np.isfinite(margins).all(1).reshape(3, 5, 2)
    for place, verdict in enumerate(look.verdict[:3]):
        assert trained[:, place].all() == (verdict == "open")
        assert trained[:, place].any() == (verdict == "open")


def test_a_group_that_differs_in_nothing_is_not_proved(finished):
    row = pd.read_csv(finished[0] / "plain-vs-masked/proof.csv").iloc[2]
    assert (row.source, row.left_out) == ("group some", 20)
    assert row.adjusted > 0.05


def test_retrained_models_are_numbered_so_that_more_can_join(finished):
    study = Study.read(finished[1])
    assert [study.proof.retrained(1), study.proof.retrained(2)] == [18, 30]
    numbers = [retrained_model(number, study.proof.tested(1)) for number in range(18)]
    assert len(set(numbers)) == 18
    assert [n.repeat for n in numbers] == [0] * 6 + [1] * 6 + [2] * 6
    more = Study.load(study.config | {"proof": study.config["proof"] | {"models": 5}})
    names = (*PAIR, "plain", "1")
    assert more.key("retraining", *names) == study.key("retraining", *names)
    ranges = list(sharding.cut(more, "retraining", names, finished[0]))
    assert ranges == [range(0, 18), range(18, 30)]  # those that are there stay
    assert more.key("proof", *PAIR) != study.key("proof", *PAIR)
    longer = Study.load(study.config | {"proof": study.config["proof"] | {"rounds": 3}})
    second = ("retraining", *PAIR, "masked", "2")
    assert longer.key(*second) == study.key(*second) != more.key(*second)


def test_the_record_says_which_models_they_are(finished):
    folder, config = finished
    path = folder / stages.path("retrained", *PAIR, "plain", "1", 0, 18)
    record = artifacts.record(path)
    assert record["models"] == [0, 18]
    assert np.load(path).shape == (18, 448)
    assert Study.read(config).key("retraining", *PAIR, "plain", "1") == record["key"]


def test_directions_of_the_comparison_are_proposals_too(finished, tmp_path):
    folder, config = finished
    plain = Study.read(config)
    study = Study.load(plain.config | {"proof": plain.config["proof"] | {"directions": 2}})
    compared = folder / stages.path("comparison", *PAIR)
    gradients = [folder / stages.path("gradients", name) for name in PAIR]
    data = dataset.read(folder / stages.path("dataset"), study.key("dataset"))
    output = tmp_path / "proposals.npz"
    step.write_proposals(study, PAIR, data, gradients, output, comparison=compared)
    proposals = step.read_proposals(study, PAIR, output)
    sources = ["influence", "predictive", *["direction"] * 4, "group some"]
    assert [one.source for one in proposals] == sources
    arrays = np.load(compared)
    for place, (way, sign) in {2: ("a-minus-b", 1), 4: ("b-minus-a", -1)}.items():
        for number in range(2):
            one = proposals[place + number]
            expected = sign * arrays[f"{way}.directions"][number]
            np.testing.assert_allclose(one.examples, expected, atol=1e-6)
            projection = arrays[f"{way}.projections"][:, number]
            cosine = one.targets @ projection / np.linalg.norm(projection)
            assert cosine == pytest.approx(1, abs=1e-6)
            assert one.share == arrays[f"{way}.explained"][number]
    assert inputs.files(study, "proposals", "comparison", *PAIR) == [("comparison", *PAIR)]
    assert inputs.files(plain, "proposals", "comparison", *PAIR) == []
    assert study.key("proposals", *PAIR) != plain.key("proposals", *PAIR)
    assert study.key("gradients", "plain") == plain.key("gradients", "plain")


def test_the_page_orders_and_signs_what_is_proved(finished):
    folder, config = finished
    study = Study.read(config)
    found = proofs.read(study, folder, "plain", "masked")
    assert [one.differs for one in found] == sorted((one.differs for one in found), reverse=True)
    for one in found:
        larger = one.row["a"] if one.follower == "plain" else one.row["b"]
        assert larger > 0 or one.proposal.group
        assert one.row["a_low"] <= one.row["a"] <= one.row["a_high"]
    assert "plain follows it" in found[0].words


def test_the_summary_and_the_page_show_every_proposal(finished):
    folder, _ = finished
    entries = json.loads((folder / "summary.json").read_text())["proofs"]
    assert [set(step.COLUMNS) < set(entry) for entry in entries] == [True, True, True]
    first = entries[0]
    assert [row["left_out"] for row in first["removal"]] == [12]
    assert (first["a_name"], first["b_name"], first["needed"]) == ("plain", "masked", None)
    html = (folder / "report.html").read_text()
    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)[1]
    shown = json.loads(content)["pairs"][0]["proposals"]
    for strips, entry in zip(shown, entries, strict=True):
        splits = [(strip["split"], strip["end"]) for strip in strips]
        assert splits == [("train", "high"), ("test", "high"), ("train", "low"), ("test", "low")]
        assert [example for example, _ in strips[0]["examples"]] == entry["train_examples"]
    assert "plain follows it" in html


def test_features_behind_what_is_proved_are_mined(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    proved = {one["proposal"] for one in summary["proofs"] if one["adjusted"] <= 0.05}
    assert {one["proposal"] for one in summary["mined"]} == proved
    first = next(one for one in summary["mined"] if one["proposal"] == 1)
    assert (first["mover"], first["class"], len(first["features"])) == ("plain", "3", 4)
    assert {row["algorithm"] for row in first["removal"]} == {"plain", "masked"}
    html = (folder / "report.html").read_text()
    assert 'id="mined"' in html
    assert first["sentence"].split(" by ")[0] in html


def test_models_without_a_group_go_on_where_they_were_stopped(finished, tmp_path, monkeypatch):
    folder, config = finished
    study = Study.read(config).at_width(2)
    data = dataset.read(folder / stages.path("dataset"), study.key("dataset"))
    given = [folder / stages.path(file, *PAIR) for file in ("proposals", "proof", "mined")]
    shown = []

    def write(name, stop=None):
        """Its bytes; `stop`: the group of models that the user interrupts."""
        shown.clear()
        moved = removal._moved

        def watched(*arguments):
            shown.append(arguments)
            if len(shown) == stop:
                os.kill(os.getpid(), signal.SIGINT)
            return moved(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(removal, "_moved", watched)
            removal.write(study, PAIR, "plain", data, *given, tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    whole = write("whole.csv")
    groups = len(shown)
    with pytest.raises(UserError, match="stopped by SIGINT; 2 finished models are kept"):
        write("cut.csv", stop=2)
    assert write("cut.csv") == whole
    assert len(shown) == groups - 1
    assert not list(tmp_path.glob(".*"))


def test_status_and_changes_count_retrained_models(finished):
    folder, config = finished
    progress = status.read(folder).algorithms["plain"]
    assert (progress.retrained, progress.retrained_models, progress.room) == (48, 48, "done")
    study = Study.read(config)
    removal = {"removal": [0.02]}
    other = Study.load(study.config | {"proof": study.config["proof"] | removal})
    (line,) = changes.lines(other)
    assert "proof.removal" in line
    assert line.endswith("60 retrained models of plain and masked are trained again")


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        ({"groups": {"some": "no.csv"}}, "groups.some: is 'no.csv', which is no file here"),
        ({"directions": 11}, "directions: is 11; must be at most `comparison.directions`, 10"),
        ({"removal": [0.1], "rounds": 1}, "rounds: is 1, but `removal` asks how large"),
        ({"removal": [0.5]}, "removal.0: is 0.5; must be at most 0.25"),
    ],
)
def test_proofs_that_cannot_be_are_one_line(config, proof, words):
    with pytest.raises(UserError, match=f": proof.{words}"):
        Study.load(config | {"proof": proof})


def test_models_that_are_missing_are_named(finished, tmp_path):
    folder, config = finished
    study = Study.read(config)
    shards = [folder / stages.path("retrained", *PAIR, "plain", "1", 0, 18)]
    proposals = folder / "plain-vs-masked/proposals.npz"
    with pytest.raises(UserError, match="models of masked are 0; must be 18 of round 1"):
        step.write(study, PAIR, 1, proposals, shards, tmp_path / "proof.csv")
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
    done = command("retrain", config, "masked", "plain", "plain", 1, proposals, *retrain)
    assert (done.returncode, done.stderr) == (
        1,
        "modeldiff: masked and plain: study small proves plain and masked\n",
    )
    done = command("retrain", config, "plain", "masked", "other", 1, proposals, *retrain)
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
    config.pop("baselines", None)
    assert Study.load(config).full_models == 0
    proving = Study.load(config | {"proof": {"proposers": 3}})
    assert proving.full_models == 3
    assert proving.shown == ()
    assert stages.STAGES["full"].of(proving) == [("plain",), ("masked",)]
    assert stages.STAGES["gradients"].of(proving) == [("plain",), ("masked",)]
