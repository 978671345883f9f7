"""A study whose jobs cannot all be finished: it says what is missing, and can go on without."""

import json

import numpy as np
import pytest
from conftest import small
from test_workflow import Workflow

from modeldiff import dataset, margins
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.jobs import missing
from modeldiff.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture
def lacking(config, tmp_path):
    """A study that lacks 30 of plain's 120 models; of masked all are there."""
    config = small(config) | {"results": str(tmp_path)}
    config["training"]["allow_missing"] = "25%"
    study = Study.load(config)
    manifest = tmp_path / "small/dataset/manifest.json"
    dataset.prepare(study, manifest)
    targets = len(dataset.read_manifest(manifest, study.key("dataset"))["targets"])
    for name in study.algorithms:
        for start in (0, 30, 60, 90):
            if (name, start) != ("plain", 60):
                path = tmp_path / f"small/{name}/shards/{start}-{start + 30}.npy"
                facts = {"models": [start, start + 30], "failed": {}, "margin": "max"}
                with artifacts.write(path, study.key("training", name), **facts) as file:
                    np.save(file, np.ones((30, targets), np.float32))
    log = tmp_path / "small/logs/train/plain-60-90.log"
    log.parent.mkdir(parents=True)
    log.write_text("plain: 10%|  | 3/30 [00:01<00:09, 3.0model/s]\nmodeldiff: disk full\n")
    return study


def with_share(study, share):
    training = study.config["training"] | {"allow_missing": share}
    return Study.load(study.config | {"training": training})


def test_what_is_missing_is_said_in_one_line_with_its_cause_and_a_way_on(lacking):
    (line,) = missing.lines(lacking)
    assert line.startswith("models 60-89 of plain are missing (disk full): the same command")
    assert "modeldiff skip-missing" in line
    (line,) = missing.lines(with_share(lacking, None))
    assert "skip-missing" not in line
    assert "allow_missing: 1%" in line


@pytest.mark.parametrize("share", [None, "0%", "24.9%"])
def test_no_more_is_given_up_than_the_config_allows(lacking, share):
    with pytest.raises(UserError, match="30 of 120 models of plain are missing; must be at least"):
        list(missing.skip_missing(with_share(lacking, share)))
    assert len(list(missing.lines(lacking))) == 1


def test_models_that_are_given_up_count_as_failed_and_not_twice(lacking, tmp_path):
    (said,) = missing.skip_missing(lacking)
    assert "models 60-89 of plain are given up" in said
    assert list(missing.lines(lacking)) == []
    assert list(missing.skip_missing(lacking)) == []
    shards = [tmp_path / f"small/plain/shards/{a}-{a + 30}.npy" for a in (0, 30, 60, 90)]
    margins.gather(shards, lacking.key("training", "plain"), tmp_path / "all.npy", "key")
    rows, failed = margins.read(tmp_path / "all.npy", "key")
    assert list(failed) == [str(m) for m in range(60, 90)]
    assert set(failed.values()) == {"missing: disk full"}
    assert np.isnan(rows).any(1).tolist() == [60 <= m < 90 for m in range(120)]
    for path in tmp_path.glob("small/plain/shards/0-30.npy*"):
        path.unlink()
    with pytest.raises(UserError, match="60 of 120"):
        list(missing.skip_missing(lacking))


def test_a_study_finishes_without_its_last_models_and_takes_them_later(repository, tmp_path):
    """Through Snakemake: a job fails for good, its models are given up, later trained after all."""
    workflow = Workflow(repository, tmp_path)
    workflow.config["training"] |= {"allow_missing": "25%", "shard": 90}
    shards = workflow.file("masked/shards")
    (shards / ".90-120.npy").parent.mkdir(parents=True)
    blocked = shards / "90-120.npy.json"
    blocked.mkdir()  # its record cannot be written
    code, output = workflow.run()
    assert code == 1
    assert "modeldiff: models 90-119 of masked are missing" in output
    assert "modeldiff skip-missing results/small/study.json" in output
    blocked.rmdir()
    assert workflow.modeldiff("skip-missing", "results/small/study.json")[0] == 0
    code, output = workflow.run()
    assert code == 0, output
    found = json.loads(workflow.file("summary.json").read_text())["algorithms"]
    assert [(a["failed"], a["missing"]) for a in found.values()] == [(0, 0), (30, 30)]
    assert "model 90: missing: " in workflow.file("report.html").read_text()
    for path in [*shards.glob("90-120.npy*"), workflow.file("masked/margins.npy")]:
        path.unlink()
    assert workflow.planned()["train"] == 1
