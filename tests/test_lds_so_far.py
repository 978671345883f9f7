"""`status --lds --difference`: what is said of a study that is still training."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import small

from modeldiff import datamodels, dataset, subsets
from modeldiff.cli import main
from modeldiff.comparison import contrast
from modeldiff.core import artifacts
from modeldiff.planning import difference_so_far, lds_so_far
from modeldiff.study import Study, stages

MODELS, SHARD = 400, 40


@pytest.fixture
def started(config, tmp_path):
    """A study of 400 models of each algorithm, whose data are prepared; nothing is trained yet."""
    config = small(config) | {"results": str(tmp_path / "results")}
    config["subsets"] |= {"models": MODELS, "evaluation": {"subsets": 25, "repeats": 2}}
    config["training"]["shard"] = SHARD
    study = Study.load(config)
    study.write(Path(study.folder) / stages.STUDY)
    dataset.prepare(study, Path(study.folder) / stages.path("dataset"))
    return study


@pytest.fixture
def rows(started, data):
    """Masks and margins of all models: a few examples decide, and there is noise."""
    n_train = len(data.train.labels)
    numbers = [started.subset_of(model) for model in range(MODELS)]
    masks = subsets.draw(n_train, numbers, started.alpha, started.seed)
    random = np.random.default_rng(0)
    weights = np.zeros((len(data.targets), n_train))
    weights[:, :5] = random.normal(size=(len(weights), 5))
    noise = random.normal(size=(MODELS, len(weights)))
    return masks, (masks @ weights.T + noise).astype(np.float32)


def write(study, start, margins, name="plain"):
    """A shard as a training job writes it."""
    stop = start + SHARD
    path = Path(study.folder) / stages.path("shards", name, start, stop)
    facts = {"models": [start, stop], "failed": {}, "margin": "log_odds"}
    with artifacts.write(path, study.key("training", name), **facts) as file:
        np.save(file, margins[start:stop])
    return path


def plain(study):
    return lds_so_far.read(study.folder)["plain"]


def state_of_files(study):
    """When each was written, and how large it is."""
    paths = Path(study.folder).rglob("*")
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_it_is_the_lds_of_the_models_that_are_there(started, rows):
    masks, margins = rows
    margins[[111, 201]] = np.nan  # diverged
    for start in (80, 200, 0, 120):  # jobs end in any order
        write(started, start, margins)
    there = np.r_[0:40, 80:160, 200:240]
    found = plain(started)
    assert (found.there, found.n_targets) == (160, 100)
    judges = there[(there < 50) | (there % 10 == 4)]
    others = np.setdiff1d(there, judges)
    targets = np.linspace(0, margins.shape[1] - 1, 100).round().astype(int)
    fit = datamodels.fit(
        masks[others],
        margins[others],
        estimator="multiplicative_weights",
        held_out=np.flatnonzero(others % 10 == 9),
        targets=targets,
    )
    expected = datamodels.lds(fit, masks[judges], margins[judges][:, targets])
    assert (found.models, found.judges) == (len(others) - 2, expected.n_subsets)
    assert found.mean == pytest.approx(expected.mean, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_it_grows_with_the_models(started, rows):
    for start in (80, 120, 320):
        write(started, start, rows[1])
    few = plain(started)
    for start in range(0, MODELS, SHARD):
        write(started, start, rows[1])
    many = plain(started)
    assert many.low > few.mean + 0.1
    assert many.high - many.low < few.high - few.low


def test_files_are_only_read_and_damaged_ones_passed_over(started, rows):
    for start in (0, 80, 120):
        write(started, start, rows[1])
    before = plain(started)
    damaged = write(started, 160, rows[1])
    damaged.write_bytes(b"damaged" + damaged.read_bytes()[7:])
    other = write(started, 200, rows[1])
    record = artifacts.record_path(other)
    record.write_text(json.dumps(json.loads(record.read_text()) | {"key": "0" * 16}))
    unfinished = other.with_name(".240-280.npy.123.part")
    unfinished.write_bytes(other.read_bytes())
    files = state_of_files(started)
    assert plain(started) == before
    assert state_of_files(started) == files


def test_status_says_so_and_that_it_is_too_early(started, rows):
    write(started, 80, rows[1])
    write(started, 120, rows[1], name="masked")
    write(started, 0, rows[1], name="masked")

    def status(*options):
        ended = CliRunner().invoke(main, ["status", started.folder, *options])
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    said = status("--lds")
    assert "LDS so far of plain: not yet" in said
    assert "LDS so far of masked: 0." in said
    assert "from 36 of the 80 models that are there" in said
    assert "intervals: 95%" in said
    content = json.loads(status("--lds", "--json"))["lds"]
    assert content["plain"] is None
    assert content["masked"]["low"] < content["masked"]["mean"] < content["masked"]["high"]
    assert "LDS" not in status()


def test_the_difference_is_the_contrast_of_the_models_that_both_have(started, rows):
    masks, margins = rows
    n_train = masks.shape[1]
    assert difference_so_far.read(started.folder) == {("plain", "masked"): None}
    planted = [7, 70, 700]
    other = margins.copy()
    other[:, :40] += 3 * (masks[:, planted] - 0.5).sum(1, keepdims=True)
    starts = set(range(0, MODELS, SHARD))
    for start in starts - {80}:
        write(started, start, other)
    for start in starts - {200}:
        write(started, start, margins, "masked")
    both = np.r_[started.evaluation_models : 80, 120:200, 240:MODELS]
    (found,) = difference_so_far.read(started.folder).values()
    expected = contrast(
        masks[both],
        other[both],
        margins[both],
        directions=1,
        penalty=started.comparison.penalty,
        permutations=19,
        seed=started.seed,
    )
    assert found.models == len(both)
    assert found.p_value == expected.p_value[0] == 0.05
    assert sorted(found.train_examples[:3]) == planted
    prepared = Path(started.folder) / stages.path("dataset")
    targets = dataset.read_manifest(prepared, started.key("dataset"))["targets"]
    assert set(found.test_examples) <= set(targets[:40])
    assert n_train == 1200
    ended = CliRunner().invoke(main, ["status", started.folder, "--difference", "--json"])
    (entry,) = json.loads(ended.stdout)["differences"]
    assert (entry["a"], entry["b"], entry["models"]) == ("plain", "masked", len(both))
    said = CliRunner().invoke(main, ["status", started.folder, "--difference"]).stdout
    assert f"first direction p = 0.05 of at least 0.05, from {len(both)} models of each" in said
    assert "a look ahead" in said
