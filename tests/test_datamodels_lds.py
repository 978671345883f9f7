"""The linear datamodeling score, its interval and its noise ceiling, against known truth."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from modeldiff import datamodels
from modeldiff.core.errors import UserError


def exact(weights, intercept=0.0):
    """Datamodels that are given, not fitted."""
    targets = len(weights)
    return datamodels.Datamodels(
        weights=np.asarray(weights, np.float32),
        intercept=np.full(targets, intercept),
        lambdas=np.zeros(targets),
        gap=np.zeros(targets),
        estimator="ols",
        tolerance=1e-6,
        n_models=1,
        n_failed=0,
    )


def trained(subsets, repeats, noise, targets=40, n=30, seed=0):
    """True weights, masks and margins of `repeats` models on each subset."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=(targets, n)) / np.sqrt(n) * 2
    masks = np.repeat(random.random((subsets, n)) < 0.5, repeats, axis=0)
    margins = masks @ weights.T + noise * random.normal(size=(len(masks), targets))
    return weights, masks, margins


def test_per_target_is_the_rank_correlation_with_the_mean_of_repeats():
    weights, masks, margins = trained(50, 3, 1.0)
    order = np.random.default_rng(1).permutation(len(masks))
    score = datamodels.lds(exact(weights + 0.2), masks[order], margins[order])
    truth = margins.reshape(50, 3, -1).mean(1)
    predicted = masks[::3] @ (weights + 0.2).T
    expected = [spearmanr(p, t).statistic for p, t in zip(predicted.T, truth.T, strict=True)]
    np.testing.assert_allclose(score.per_target, expected, atol=1e-6)
    assert score.mean == pytest.approx(np.mean(expected))
    assert (score.n_subsets, score.repeats, score.n_silent) == (50, 3, 0)


@pytest.mark.parametrize(("noise", "error"), [(0.3, 0.003), (1.0, 0.01), (3.0, 0.05)])
def test_exact_datamodels_reach_the_ceiling(noise, error):
    weights, masks, margins = trained(200, 5, noise)
    score = datamodels.lds(exact(weights), masks, margins)
    assert score.mean == pytest.approx(score.ceiling, abs=error)


def test_ceiling_with_unequal_repeats_and_failed_models():
    weights, masks, margins = trained(300, 4, 1.5)
    margins[::4] = np.nan  # every subset loses a model,
    margins[1:600:4] = np.nan  # half of them two
    score = datamodels.lds(exact(weights), masks, margins)
    assert score.mean == pytest.approx(score.ceiling, abs=0.02)
    assert score.n_failed == 450


def test_of_margins_that_are_noise_the_ceiling_is_near_0():
    ceilings = []
    for seed in range(10):
        weights, masks, margins = trained(75, 2, 1.0, seed=seed)
        noise = margins - masks @ weights.T
        ceilings.append(datamodels.lds(exact(weights), masks, noise).ceiling)
    assert np.mean(ceilings) < 0.08  # the mean of single targets' is 0.18


def test_without_repeats_there_is_no_ceiling():
    weights, masks, margins = trained(50, 1, 1.0)
    score = datamodels.lds(exact(weights), masks, margins)
    assert np.isnan(score.ceiling)
    assert np.isnan(score.ceiling_per_target).all()


def test_silent_targets_count_as_zero():
    weights, masks, margins = trained(50, 2, 0.1)
    weights[[3, 7]] = 0
    score = datamodels.lds(exact(weights, intercept=0.1), masks, margins)
    assert score.n_silent == 2
    assert (score.per_target[[3, 7]] == 0).all()
    assert score.mean == pytest.approx(score.per_target.sum() / 40)


def test_interval_covers_the_expected_score():
    wrong = np.random.default_rng(9).normal(size=(40, 30)) * 0.3
    many = trained(5000, 1, 1.0)
    expected = datamodels.lds(exact(many[0] + wrong), many[1], many[2]).mean
    covered = 0
    for seed in range(100):
        random = np.random.default_rng(1000 + seed)
        masks = random.random((60, 30)) < 0.5
        # targets share much of the noise, as targets of one model do
        noise = random.normal(size=(60, 1)) * 0.8 + random.normal(size=(60, 40)) * 0.6
        score = datamodels.lds(exact(many[0] + wrong), masks, masks @ many[0].T + noise)
        covered += score.low <= expected <= score.high
    assert 88 <= covered <= 99


def test_same_input_gives_the_same_interval():
    weights, masks, margins = trained(70, 2, 1.0)
    first, second = (datamodels.lds(exact(weights), masks, margins) for _ in range(2))
    assert (first.low, first.high) == (second.low, second.high)
    assert first.low < first.mean < first.high


def test_mismatch_and_too_few_subsets_are_named():
    weights, masks, margins = trained(2, 3, 1.0)
    with pytest.raises(UserError, match="2 subsets"):
        datamodels.lds(exact(weights), masks, margins)
    with pytest.raises(UserError, match="margins"):
        datamodels.lds(exact(weights), masks, margins[:, :3])
