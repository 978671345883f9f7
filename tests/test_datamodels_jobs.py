"""A large study's regression as jobs: shared sums, fits of shares of the targets, joined again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import small
from test_workflow import Workflow, jobs

from modeldiff import subsets
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.datamodels import step
from modeldiff.datamodels.gram_cache import Grams
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.subsets import Masks

pytestmark = pytest.mark.slow

N, TARGETS = 80, 13


def the_study(repository, folder, models=300, **datamodels):
    config = small(parse(repository / "config/config.yaml")) | {"results": str(folder)}
    config["subsets"]["models"] = models
    del config["preset"]
    config["datamodels"] = {"estimator": "lasso"} | datamodels
    return Study.load(config)


def data(study, failed=(), seed=0):
    """Masks and margins on disk, as if trained; a model's are the same in a study that grew."""
    at = Path(study.folder)
    masks = subsets.draw(N, range(study.n_subsets), study.alpha, study.seed)
    with artifacts.write(at / "subsets/masks.npy", study.key("subsets")) as file:
        np.save(file, np.packbits(masks, axis=1))
    weights = np.random.default_rng(seed).normal(size=(TARGETS, N))
    weights[:, 5:] = 0
    noise = np.array([np.random.default_rng(m).normal(size=TARGETS) for m in range(study.models)])
    margins = masks[[study.subset_of(m) for m in range(study.models)]] @ weights.T + noise
    margins[list(failed)] = np.nan
    with artifacts.write(
        at / "plain/margins.npy", study.key("margins", "plain"), failed={}
    ) as file:
        np.save(file, margins.astype(np.float32))
    paths = at / "subsets/masks.npy", at / "plain/margins.npy"
    return step.Regression(study, "plain", N, *paths)


def in_jobs(regression, n, folder):
    step.sum_grams(regression, folder / "grams.json")
    parts = [folder / f"{i}.npz" for i in range(n)]
    for i, part in enumerate(parts):
        step.fit_part(regression, folder / "grams.json", (i, n), part, device="cpu")
    step.write(regression, folder / "datamodels.npz", parts, device="cpu")
    return folder / "datamodels.npz", folder / "lds.npz"


@pytest.mark.parametrize(
    "settings",
    [{}, {"folds": 3}, {"estimator": "ridge"}, {"estimator": "multiplicative_weights"}],
)
def test_results_do_not_depend_on_how_many_jobs(repository, tmp_path, settings):
    regression = data(the_study(repository, tmp_path, **settings), failed=[33, 250])
    step.write(regression, tmp_path / "one/datamodels.npz", device="cpu")
    whole = [tmp_path / "one/datamodels.npz", tmp_path / "one/lds.npz"]
    for n in (2, 5, TARGETS):
        for mine, expected in zip(in_jobs(regression, n, tmp_path / f"{n}"), whole, strict=True):
            with np.load(mine) as a, np.load(expected) as b:
                assert a.keys() == b.keys()
                for name in a:
                    if a[name].dtype.kind != "f":
                        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
                    elif name in ("gap", "path_gap"):  # what is left of a difference near 0
                        np.testing.assert_allclose(a[name], b[name], atol=1e-6)
                    else:
                        np.testing.assert_allclose(a[name], b[name], 1e-5, 1e-6, err_msg=name)


def test_where_it_runs_is_no_part_of_the_key(repository, tmp_path):
    one, many = (the_study(repository, tmp_path, **x) for x in ({}, {"jobs": 7, "memory": 9000}))
    assert one.key("datamodels", "plain") == many.key("datamodels", "plain")
    grown = the_study(repository, tmp_path, models=330)
    assert one.key("grams", "plain") == grown.key("grams", "plain")
    folded = the_study(repository, tmp_path, folds=3)
    assert one.key("grams", "plain") != folded.key("grams", "plain")


def test_models_that_join_are_added_and_no_other_summed_again(repository, tmp_path, monkeypatch):
    output = tmp_path / "grams.json"
    step.sum_grams(data(the_study(repository, tmp_path)), output)
    grown = data(the_study(repository, tmp_path, models=330))
    summed = []
    extend = Grams.extend

    def watched(self, masks, margins, stop=None):
        summed.append((len(self.part), stop))
        return extend(self, masks, margins, stop)

    monkeypatch.setattr(Grams, "extend", watched)
    step.sum_grams(grown, output)
    held = grown.study.evaluation_models
    assert summed[-1] == (300 - held, 330 - held)
    assert all(start in (0, 300 - held) and stop != 300 - held for start, stop in summed)
    found = Grams.load(tmp_path / "grams.npz")
    expected = Grams.of(grown.masks, grown.margins)
    np.testing.assert_array_equal(found.part, expected.part)
    for a, b in zip(found.parts, expected.parts, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)


def test_a_model_trained_after_all_is_summed(repository, tmp_path):
    output, study = tmp_path / "grams.json", the_study(repository, tmp_path)
    step.sum_grams(data(study, failed=[100, 101]), output)
    assert json.loads(output.read_text())["failed"] == 2
    whole = data(study)
    step.sum_grams(whole, output)
    assert json.loads(output.read_text())["failed"] == 0
    found, expected = Grams.load(tmp_path / "grams.npz"), Grams.of(whole.masks, whole.margins)
    for a, b in zip(found.parts, expected.parts, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_datamodels_jobs import data, the_study
from modeldiff.datamodels import step
from modeldiff.datamodels.gram_cache import Grams
step.RANGE, step.SAVE = 50, 0
extend = Grams.extend
def dies(self, masks, margins, stop=None):
    if len(self.part) >= 150:
        os.kill(os.getpid(), signal.SIGKILL)
    return extend(self, masks, margins, stop)
Grams.extend = dies
step.sum_grams(data(the_study(Path({repository!r}), Path({folder!r}))), Path({output!r}))
"""


def test_summing_that_was_killed_goes_on(repository, tmp_path, monkeypatch):
    output = tmp_path / "grams.json"
    values = {"tests": str(Path(__file__).parent), "repository": str(repository)}
    script = KILLED.format(**values, folder=str(tmp_path), output=str(output))
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not output.exists()
    assert len(Grams.load(tmp_path / "grams.npz").part) == 150
    regression = data(the_study(repository, tmp_path))
    started = []
    extend = Grams.extend
    monkeypatch.setattr(
        Grams,
        "extend",
        lambda self, *x, **k: started.append(len(self.part)) or extend(self, *x, **k),
    )
    step.sum_grams(regression, output)
    assert [s for s in started if s] == [150]
    expected = Grams.of(regression.masks, regression.margins)
    for a, b in zip(Grams.load(tmp_path / "grams.npz").parts, expected.parts, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)


def test_a_study_that_grows_trains_and_sums_what_joins(repository, tmp_path):
    """Through Snakemake: the finished study, grown, equals one that was as large from the start."""
    wanted = ("results/small/plain/datamodels.npz", "results/small/plain/lds.npz")
    made = []
    for name, counts in (("grows", (120, 150)), ("fresh", (150,))):
        (tmp_path / name).mkdir()
        workflow = Workflow(repository, tmp_path / name)
        workflow.config["datamodels"]["jobs"] = 2
        for count in counts:
            workflow.config["subsets"]["models"] = count
            code, output = workflow.run("--", wanted[0])
            assert code == 0, output
        made.append([np.load(tmp_path / name / path) for path in wanted])
        if name == "grows":
            assert jobs(output)["train"] == 1
            assert jobs(output)["fit"] == 2
    for grown, fresh in zip(*made, strict=True):
        assert grown.keys() == fresh.keys()
        for array in grown:
            np.testing.assert_array_equal(grown[array], fresh[array], err_msg=array)


def test_more_jobs_than_targets_are_refused(repository, tmp_path):
    regression = data(the_study(repository, tmp_path))
    step.sum_grams(regression, tmp_path / "grams.json")
    with pytest.raises(UserError, match=r"datamodels\.jobs: is 14; must be at most the 13 targets"):
        step.fit_part(regression, tmp_path / "grams.json", (0, 14), tmp_path / "x", device="cpu")


def test_targets_that_miss_the_tolerance_are_named(repository, tmp_path, capsys):
    regression = data(the_study(repository, tmp_path, tolerance=1e-30))
    step.write(regression, tmp_path / "datamodels.npz", device="cpu")
    missed = artifacts.record(tmp_path / "datamodels.npz")["unconverged"]
    assert missed
    assert str(missed) in capsys.readouterr().out


def test_the_plan_splits_targets_over_jobs(repository, tmp_path):
    workflow = Workflow(repository, tmp_path)
    assert {"grams", "fit"}.isdisjoint(workflow.planned())
    workflow.config["datamodels"] = {"jobs": 3}
    planned = workflow.planned()
    assert {x: planned[x] for x in ("grams", "fit", "datamodels")} == {
        "grams": 2,
        "fit": 6,
        "datamodels": 2,
    }


def test_the_run_at_the_papers_size_runs_scaled_down(repository):
    command = [sys.executable, "-P", repository / "benchmarks/regression_paper.py", "120x900x9"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    measured = json.loads(told[told.index("{") :])
    assert max(measured["gap"], measured["stated_gap"]) <= 1e-4


@pytest.mark.parametrize("examples", [None, N - 1])
def test_sums_of_another_kind_are_made_again(repository, tmp_path, examples):
    """What says that they are made goes with them: else no rule would make them."""
    output, regression = tmp_path / "grams.json", data(the_study(repository, tmp_path))
    sums, key = tmp_path / "grams.npz", regression.study.key("grams", "plain")
    step.sum_grams(regression, output)
    whole = sums.read_bytes()
    with artifacts.write(sums, key) as file:
        if examples is None:
            file.write(b"no sums\n")
        else:
            few = Masks(regression.masks.packed, examples)
            Grams.of(few, regression.margins).save(file)
    with pytest.raises(
        CorruptArtifact, match=rf"is not a file of sums over masks of {N} examples"
    ) as caught:
        step.fit_part(regression, output, (0, 2), tmp_path / "0.npz", device="cpu")
    assert artifacts.discard(caught.value.artifact)
    assert not output.exists()
    step.sum_grams(regression, output)
    assert sums.read_bytes() == whole
