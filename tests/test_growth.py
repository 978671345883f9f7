"""Models needed for a wanted LDS, against a planted truth."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from conftest import small

from modeldiff import datamodels, dataset, subsets
from modeldiff.cli import main
from modeldiff.core import artifacts
from modeldiff.jobs import sharding
from modeldiff.planning import lds_forecast, power_forecast
from modeldiff.study import Study

pytestmark = pytest.mark.slow

N_TRAIN, N_TARGETS, MODELS = 60, 40, 400
HOW = {"estimator": "ridge", "penalty": 0.1}


def planted(models, seed):
    """Masks, margins with noise, and without: linear in the masks, and pairs that no line tells."""
    random = np.random.default_rng(99)
    linear, paired = random.normal(size=(2, N_TARGETS, N_TRAIN))
    masks = subsets.draw(N_TRAIN, range(models), 0.5, seed)
    x = masks - 0.5
    parts = [x @ linear.T, (x * np.roll(x, 1, 1)) @ paired.T]
    exact = sum(part / part.std() * share for part, share in zip(parts, (1, 0.7), strict=True))
    noise = 2 * np.random.default_rng(seed).normal(size=exact.shape)
    return masks, (exact + noise).astype(np.float32), exact.astype(np.float32)


def reached(models):
    """The LDS that so many models really reach, on many subsets without noise."""
    scores = []
    for seed in (7, 8):
        masks, noisy, _ = planted(models, seed)
        truth_masks, _, truth = planted(500, 9)
        scores.append(datamodels.lds(datamodels.fit(masks, noisy, **HOW), truth_masks, truth).mean)
    return float(np.mean(scores))


@pytest.fixture(scope="module")
def grown():
    found = []
    for seed in range(8):
        masks, noisy, _ = planted(MODELS, 100 + seed)
        truth_masks, _, truth = planted(100, 200 + seed)
        found.append(lds_forecast.of(masks, noisy, truth_masks, truth, **HOW))
    return found


@pytest.mark.parametrize("times", [2, 4])
def test_the_forecast_number_of_models_reaches_the_score(grown, times):
    wanted = reached(times * MODELS)
    needed = [own.needed(wanted) for own in grown]
    assert np.median([n["models"] for n in needed]) == pytest.approx(times * MODELS, rel=0.25)
    inside = [n["low"] is not None and n["low"] <= times * MODELS <= n["high"] for n in needed]
    assert sum(inside) >= 6


def test_a_score_beyond_the_limit_is_out_of_reach(grown):
    assert grown[0].needed(0.95)["models"] is None
    assert grown[0].needed(0.4)["models"] < MODELS


@pytest.mark.parametrize(("estimator", "penalty"), [("ols", 0.0), ("difference", np.inf)])
def test_the_curve_is_that_of_linear_margins(estimator, penalty):
    """Without pairs the limit is 1 and the noise known: nothing is fitted."""
    random = np.random.default_rng(3)
    weights = random.normal(size=(200, N_TRAIN))
    masks = subsets.draw(N_TRAIN, range(300), 0.5, 1)
    exact = 2 * (masks - 0.5) @ weights.T  # weights on standardised columns
    noisy = (exact + 8 * random.normal(size=exact.shape)).astype(np.float32)
    fitted = datamodels.fit(masks, noisy, estimator=estimator)
    truth_masks = subsets.draw(N_TRAIN, range(500), 0.5, 2)
    found = datamodels.lds(fitted, truth_masks, 2 * (truth_masks - 0.5) @ weights.T).mean
    assert found == pytest.approx(float(lds_forecast.expected(300, 64, N_TRAIN, penalty)), abs=0.03)


def test_plan_says_what_to_run_first_and_then_how_many_models(config, data, tmp_path, monkeypatch):
    """From shards, before anything is gathered: margins linear in a few examples, with noise."""
    monkeypatch.chdir(tmp_path)
    config = small(config)
    config["subsets"]["models"] = 650
    config["datamodels"] = HOW
    study = Study.load(config)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config))
    (line, _) = lds_forecast.lines(study, 0.5, lds_forecast.forecast(study, 0.5))
    assert "set `subsets: {models: 170}`" in line
    n_train, n_targets = len(data.train.labels), len(data.targets)
    dataset.prepare(study, f"{study.folder}/dataset/manifest.json")
    masks = f"{study.folder}/subsets/masks.npy"
    subsets.write(
        masks, n_train, range(study.n_subsets), study.alpha, study.seed, study.key("subsets")
    )
    shape = study.n_subsets, n_train
    opened = subsets.Masks.open(masks, study.key("subsets"), shape)
    drawn = opened[np.array([study.subset_of(m) for m in range(650)])]
    random = np.random.default_rng(0)
    rows = 2 * drawn @ random.normal(size=(n_train, n_targets)) + random.normal(
        size=(650, n_targets)
    )
    for name in study.algorithms:
        rows = rows + random.normal(size=rows.shape)
        for models in list(sharding.cut(study, "training", (name,), study.folder))[
            :-1
        ]:  # one is missing
            facts = {"models": [models.start, models.stop], "failed": {}, "margin": "max"}
            path = f"{study.folder}/{name}/shards/{models.start}-{models.stop}.npy"
            with artifacts.write(path, study.key("training", name), **facts) as file:
                np.save(file, rows[models.start : models.stop].astype(np.float32))
    result = CliRunner().invoke(main, ["plan", "small.yaml", "--lds", "0.9", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    found = told["models_for_lds"]
    assert list(found["plain"]["lds"]) == ["145", "290", "580"]  # of 630 models, 50 evaluate
    # How near it comes to the truth is tested above, over many draws.
    assert 580 < found["plain"]["low"] <= found["plain"]["models"] <= found["plain"]["high"]
    power = told["power"]["plain vs masked"]
    assert power["group"] == round(n_train / 100)
    assert 0 < power["smallest"] < power["typical"]
    assert power["needed"] < 600
    (said,) = power_forecast.lines(study, {"plain vs masked": None})
    assert said.endswith("power can be forecast once 170 models of both are trained")
    (said,) = power_forecast.lines(replace(study, models=150), {"plain vs masked": None})
    assert said.endswith("can be forecast for studies of 170 or more models, not for 150")
