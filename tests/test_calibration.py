"""How many models at once, and how many in a job, follow from a measurement."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import small
from test_workflow import Workflow
from test_workflow import jobs as planned_jobs
from torch.utils.flop_counter import FlopCounterMode

from modeldiff import training
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.jobs import sharding
from modeldiff.study import Study
from modeldiff.training import calibration

pytestmark = pytest.mark.slow


def asks(config, **training):
    config = small(config)
    config["training"] |= training
    return Study.load(config)


def finished(study, folder, name, *ranges):
    """Shards that look finished."""
    for start, stop in ranges:
        path = folder / name / "shards" / f"{start}-{stop}.npy"
        with artifacts.write(path, study.key("training", name)) as file:
            np.save(file, np.zeros(1))


def bounds(study, folder, room="training"):
    return [(r.start, r.stop) for r in sharding.cut(study, room, ("plain",), folder)]


def test_jobs_are_cut_as_the_config_says(config, tmp_path):
    study = asks(config, shard=50)
    assert bounds(study, tmp_path) == [(0, 50), (50, 100), (100, 120)]
    assert bounds(study, tmp_path, "full") == [(0, 4)]


def test_a_study_that_grows_or_is_cut_otherwise_trains_no_model_again(config, tmp_path):
    study = asks(config, shard=50)
    finished(study, tmp_path, "plain", (0, 50), (50, 100), (100, 120))
    config["subsets"]["models"] = 200
    grown = asks(config, shard=50)
    assert grown.models == 120  # `small` sets it again
    grown = Study.load(grown.config | {"subsets": grown.config["subsets"] | {"models": 200}})
    assert bounds(grown, tmp_path)[:3] == [(0, 50), (50, 100), (100, 120)]
    assert bounds(grown, tmp_path)[3:] == [(120, 170), (170, 200)]
    assert bounds(asks(config, shard=30), tmp_path) == [(0, 50), (50, 100), (100, 120)]


def test_what_lies_between_finished_jobs_is_filled(config, tmp_path):
    finished(asks(config), tmp_path, "plain", (30, 60), (100, 120))
    study = asks(config, shard=50)
    assert bounds(study, tmp_path) == [(0, 30), (30, 60), (60, 100), (100, 120)]


def test_jobs_of_other_settings_are_cut_anew(config, tmp_path):
    finished(asks(config), tmp_path, "plain", (0, 30), (30, 60))
    config["algorithms"]["plain"]["batch"] = 20
    assert bounds(asks(config, shard=60), tmp_path) == [(0, 60), (60, 120)]


@pytest.mark.parametrize(
    ("proof", "size"),
    # A half takes as long as a subset of a half; all but a group, twice as long.
    [({}, 48), ({"removal": [0.01]}, 16)],
)
def test_a_job_that_retrains_is_as_long_as_wanted(config, tmp_path, proof, size):
    study = asks(config, minutes_per_job=1, width="auto")
    study = Study.load(study.config | {"proof": {"models": 10} | proof})
    path = tmp_path / "plain/calibration.json"
    sharding.Calibration(16, 1.0, 5.0).write(path, study.key("calibration", "plain"))
    names = ("plain", "masked", "plain", "1")
    first = next(sharding.cut(study, "retraining", names, tmp_path))
    assert len(first) == size


@pytest.mark.parametrize(
    ("seconds", "room", "size"),
    [
        (1.0, "training", 48),  # (60 - 5) / 1, whole groups of 16
        (1.0, "full", 4),  # all there are
        (20.0, "training", 2),
        (20.0, "full", 1),  # twice the examples
        (1000.0, "training", 1),
    ],
)
def test_a_job_is_as_long_as_wanted(config, tmp_path, seconds, room, size):
    study = asks(config, minutes_per_job=1, width="auto")
    path = tmp_path / "plain/calibration.json"
    sharding.Calibration(16, seconds, 5.0).write(path, study.key("calibration", "plain"))
    start, stop = bounds(study, tmp_path, room)[0]
    assert (start, stop) == (0, size)
    assert sharding.width(study, "plain", path) == 16


def test_a_calibration_of_other_settings_or_in_pieces_is_refused(config, tmp_path):
    study = asks(config, width="auto")
    path = tmp_path / "calibration.json"
    with pytest.raises(CorruptArtifact, match="no readable calibration"):
        sharding.width(study, "plain", path)
    sharding.Calibration(16, 1.0, 5.0).write(path, study.key("calibration", "masked"))
    with pytest.raises(CorruptArtifact, match="other settings"):
        sharding.width(study, "plain", path)


def test_the_fastest_width_is_the_smallest_that_is_as_fast(config):
    assert calibration.fastest({1: 8.0, 2: 5.0, 4: 3.05, 8: 3.0, 16: 2.96}) == 4
    assert calibration.fastest({1: 1.0, 2: 1.0}) == 1


def test_a_model_that_cannot_be_stacked_is_trained_alone(config, data):
    config["algorithms"]["plain"]["model"] = {"name": "own:normalised_net", "hidden": 4}
    study = asks(config, width="auto")
    tried = calibration.widths(study, "plain", data, "cpu", lambda: 0.0)
    assert list(tried) == [1]


def test_the_measurement_predicts_a_whole_job(config, data, tmp_path):
    """The clock counts operations, which nothing else on this machine disturbs."""
    config["algorithms"]["plain"]["epochs"] = 12
    config = small(config)
    config["algorithms"]["plain"]["epochs"] = 12
    study = Study.load(config).at_width(30)
    with FlopCounterMode(display=False) as counter:
        clock = counter.get_total_flops
        predicted, at_once = calibration.seconds(study, "plain", data, 30, "cpu", clock)
        start = clock()
        training.train_shard(study, "plain", data, range(90), tmp_path / "a.npy", device="cpu")
        real = (clock() - start) / 90
    assert at_once == 30
    assert predicted == pytest.approx(real, rel=1e-9)


def test_a_measured_study_runs_grows_and_is_the_same(repository, tmp_path):
    """Through Snakemake: a job measures, others follow; models are those of fixed shards."""
    workflow = Workflow(repository, tmp_path)
    workflow.config["training"] = {"width": "auto", "minutes_per_job": 0.1}
    assert workflow.planned()["calibrate"] == 2
    wanted = [f"results/small/{name}/margins.npy" for name in ("plain", "masked")]
    code, output = workflow.run(*wanted)
    assert code == 0, output
    found = json.loads(workflow.file("plain/calibration.json").read_text())
    assert str(found["width"]) in found["seconds_by_width"]
    assert planned_jobs(output)["calibrate"] == 2
    assert workflow.planned(*wanted) == {}

    study = Study.read(workflow.file("study.json"))
    fixed = study.at_width(7)
    manifest = workflow.file("dataset/manifest.json")
    words = [sys.executable, "-m", "modeldiff", "train", "study.json", "plain", "--width", "7"]
    words += ["--models", "0:10", "--dataset", manifest, "--output", tmp_path / "ten.npy"]
    subprocess.run(words, check=True, cwd=workflow.file(""), env=workflow.environment)
    rows = np.load(workflow.file("plain/margins.npy"))[:10]
    np.testing.assert_allclose(np.load(tmp_path / "ten.npy"), rows, atol=1e-4)
    assert fixed.key("training", "plain") == study.key("training", "plain")

    before = {p: p.stat().st_mtime_ns for p in workflow.file("plain/shards").glob("*.npy")}
    workflow.config["subsets"]["models"] = 150
    code, output = workflow.run(*wanted)
    assert code == 0, output
    assert "calibrate" not in planned_jobs(output)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert np.load(workflow.file("plain/margins.npy")).shape[0] == 150
