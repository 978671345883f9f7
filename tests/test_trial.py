"""`modeldiff check` finds before training what would fail after it."""

import json
import os
import time

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from conftest import small

from modeldiff import margins, verification
from modeldiff.cli import main
from modeldiff.core import artifacts
from modeldiff.jobs import sharding, status
from modeldiff.study import Study


@pytest.fixture
def check(config, tmp_path, monkeypatch):
    """Run `modeldiff check` on a changed config; returns exit code, output, standard error."""
    monkeypatch.chdir(tmp_path)
    study = small(config)

    def run(change):
        change(study)
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        ended = CliRunner().invoke(main, ["check", "study.yaml", "--output", "study.json"])
        left = [path.name for path in tmp_path.iterdir()]
        assert (
            sorted(left) == ["study.code.json", "study.json", "study.yaml"][2 * ended.exit_code :]
        )
        return ended.exit_code, ended.stdout, ended.stderr

    return run


def recipe(study, **parts):
    entry = study["algorithms"]["plain"]
    for name in ("optimizer", "schedule", "epochs", "batch") if "train" in parts else ():
        del entry[name]
    entry.update({k: {"name": f"bad_parts:{v}"} for k, v in parts.items()})


def test_a_net_that_cannot_be_batched_is_said_to_be_trained_alone(check):
    code, said, _ = check(lambda study: recipe(study, model="model_recurrent"))
    assert code == 0
    assert "plain: 2 steps trained, one model at a time (they cannot be batched)" in said
    assert "masked: 2 steps trained, several models at once" in said
    assert "watermark: applied to images at strength 1" in said


def test_ways_to_compare_that_not_all_models_suit_are_tried(check):
    def compared(study):
        study["baselines"] = {"methods": ["ddv", "cka", "report_studies:distances"], "models": 4}

    code, said, _ = check(compared)
    assert code == 0
    assert "plain with masked: ddv, cka, report_studies:distances, by 4 models of each" in said
    assert "  cka: compares models that are not trained" in said
    assert "  report_studies:distances: compares models that are not trained" in said
    assert "  ddv: " not in said  # suits any


def own_data(study):
    study["dataset"] = {"name": "bad_data:data_floats"}


def own_estimator(study):
    del study["preset"]
    study["datamodels"] = {"estimator": "bad_parts:estimate_nan"}


def own_baseline(study):
    study["baselines"] = {"methods": ["predictions", "bad_parts:lopsided"]}


def few_models(study):
    study["subsets"]["models"] = 70


def own_preprocess(study):
    study["algorithms"]["plain"]["preprocess"] = [{"name": "bad_parts:by_neighbours"}]


def own_transformation(study):
    own = {"name": "bad_parts:bright", "class": "3", "strengths": [0.1, 0.2, 0.3]}
    study["verification"]["transformations"] = {"mine": own}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (own_data, "bad_data:data_floats (train): images are float64 [30 x 1 x 8 x 8]; must be"),
        (few_models, "subsets.models: is 70, of which 50 are for evaluation; must be at least 90"),
        (own_estimator, "bad_parts:estimate_nan (of 60 models): returned infinite values or NaN"),
        (
            own_baseline,
            "bad_parts:lopsided (a baseline): returned distances that are not symmetric",
        ),
        (own_preprocess, "bad_parts:by_neighbours (preprocess): changes an image at random, or"),
        (own_transformation, "bad_parts:bright (strength 0.3): returned values from 0 to 3"),
        (
            lambda study: recipe(study, model="model_few_outputs"),
            "bad_parts:model_few_outputs (in training): its module returned float32 [2 x 9]",
        ),
        (
            lambda study: recipe(study, train="boom"),
            "bad_parts:boom (a trial of plain): ValueError: the file of weights is gone",
        ),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_what_would_fail_later_fails_in_a_line(check, change, words):
    code, said, error = check(change)
    assert (code, said) == (1, "")
    line = error.splitlines()[0]
    assert words in line
    assert len(line) <= 200
    assert "modeldiff/" not in error


def test_a_function_that_leaves_a_few_examples_alone_is_only_told_of(check):
    code, said, _ = check(lambda study: recipe(study, train="train_not"))
    assert code == 0
    assert "left the module as it was; must be the given module, trained in place" in said
    assert "perhaps it needs more examples" in said


def test_without_features_no_model_is_trained_on_all_data(config, tmp_path):
    config["verification"]["transformations"] = {}
    study = Study.load(small(config) | {"results": str(tmp_path)})
    assert study.full_models == 0
    assert list(sharding.cut(study, "full", ("plain",), study.folder)) == []
    verification.write(study, ("plain", "masked"), {}, tmp_path / "effects.csv")
    assert (tmp_path / "effects.csv").read_text().count("\n") == 1  # its header
    with_candidates = config["verification"] | {"candidates": 2}
    shown = Study.load(config | {"verification": with_candidates})
    assert len(list(sharding.cut(shown, "full", ("plain",), shown.folder))) == 1


@pytest.fixture
def started(config, tmp_path):
    study = Study.load(small(config) | {"results": str(tmp_path / "results")})
    study.write(f"{study.folder}/study.json")
    return study


def test_status_counts_failed_models_by_their_reason(started):
    causes = ["diverged: outputs are not finite"] * 2
    causes.append("no better than chance: mean accuracy over 10 classes 0.100")
    facts = {"failed": {str(m): cause for m, cause in enumerate(causes)}}
    path = f"{started.folder}/plain/shards/0-30.npy"
    with artifacts.write(path, started.key("training", "plain"), **facts) as file:
        np.save(file, np.zeros(1))
    found = status.read(started.folder)
    said = "\n".join(status.lines(found))
    assert "failed: 3 of plain: 2 diverged, 1 no better than chance" in said
    assert margins.SELECTION in said
    assert "3 failed (2 diverged, 1 no better than chance)" in status.line(found)
    assert json.loads(json.dumps(found.as_json()))["algorithms"]["plain"]["reasons"] == {
        "diverged": 2,
        "no better than chance": 1,
    }
    facts = {"failed": {"1": "far below the others: 30.0% of margins above 0, median 90.5%"}}
    whole = f"{started.folder}/plain/margins.npy"
    with artifacts.write(whole, started.key("margins", "plain"), **facts) as file:
        np.save(file, np.zeros(1))
    assert "1 failed (1 far below the others)" in status.line(status.read(started.folder))


BAR = "plain:  50%|##  | 15/30 [01:00<01:00, 4.0s/model]"


def log(started, name, text, age=0.0):
    path = f"{started.folder}/logs/train/{name}.log"
    with artifacts.atomic_write(path) as file:
        file.write(text.encode())
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_the_last_word_of_a_job_stands_above_its_traceback(started):
    words = "modeldiff: mine:train (model 15 of plain): ValueError: gone"
    below = "Traceback (most recent call last):\n  File x\nValueError: gone"
    path = log(started, "plain-0-30", f"{BAR}\n{words}\n{below}\n")
    assert status.read(started.folder).stopped == {path: words}


def test_status_names_the_model_of_a_job_that_says_nothing_any_more(started):
    path = log(started, "plain-30-60", BAR, age=900)
    log(started, "plain-0-30", BAR, age=100)
    found = status.read(started.folder)
    (silent,) = found.algorithms["plain"].silent
    assert (silent.log, silent.model) == (path, 45)
    said = "\n".join(status.lines(found))
    assert f"no progress for 15.0 min: {path}: model 45 of plain; if its job still runs" in said
