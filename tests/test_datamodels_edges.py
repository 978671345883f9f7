"""Datamodels where data are awkward: each case fits, or gives an error that names it."""

import numpy as np
import pytest
import torch
from test_datamodels import standardised, study

from modeldiff import datamodels
from modeldiff.core.errors import UserError
from modeldiff.subsets import Masks


def gap(masks, margins, weights, penalty):
    """Relative duality gap of one target's weights, from the masks in float64."""
    scale = np.where(masks.std(0) > 0, masks.std(0), 1)
    z, y, v = (masks - masks.mean(0)) / scale, margins - margins.mean(), weights * scale
    m, residual = len(y), y - z @ v
    largest = np.abs(z.T @ residual).max()
    dual = residual * min(y @ residual / (residual @ residual), m * penalty / largest)
    primal = residual @ residual / 2 / m + penalty * np.abs(v).sum()
    return (primal - (y @ dual - dual @ dual / 2) / m) / (y @ y / 2 / m)


def assert_certified(fit, masks, margins):
    """The gap that `fit` states holds when it is computed from the masks."""
    for t in range(margins.shape[1]):
        found = gap(masks, margins[:, t].astype(np.float64), fit.weights[t], fit.lambdas[t])
        assert found <= 1e-6 + 1e-7
        assert fit.gap[t] <= 1e-6


def test_constant_target_has_no_weights():
    masks, margins, *_ = study()
    margins[:, 1] = 3.3
    fit = datamodels.fit(masks, margins)
    assert not fit.weights[1].any()
    assert fit.intercept[1] == pytest.approx(3.3, rel=1e-6)
    assert fit.gap[1] == 0
    np.testing.assert_allclose(fit.weights[0], datamodels.fit(masks, margins[:, :1]).weights[0])


@pytest.mark.parametrize("estimator", ["lasso", "ridge", "ols", "difference"])
def test_examples_in_every_mask_or_in_none_have_no_weight(estimator):
    masks, margins, *_ = study()
    masks[:, 0], masks[:, 1] = False, True
    fit = datamodels.fit(masks, margins, estimator=estimator)
    assert not fit.weights[:, :2].any()
    assert np.isfinite(fit.weights).all()
    rest = datamodels.fit(masks[:, 2:], margins, estimator=estimator)
    np.testing.assert_allclose(fit.weights[:, 2:], rest.weights, atol=1e-4)


def test_duplicate_columns():
    masks, margins, weights, _ = study()
    masks[:, 1] = masks[:, 0]
    margins = (margins + masks[:, :1] * 5).astype(np.float32)
    fit = datamodels.fit(masks, margins)
    assert_certified(fit, masks, margins)
    np.testing.assert_allclose(
        fit.weights[:, :2].sum(1), weights[:, :2].sum(1) + 5, atol=0.3
    )  # what the two do together is known, how they share it is not


def test_more_examples_than_models():
    masks, margins, *_ = study(m=80, n=300, noise=0.1)
    fit = datamodels.fit(masks, margins)
    assert_certified(fit, masks, margins)
    assert np.corrcoef(fit.predict(masks).ravel(), margins.ravel())[0, 1] > 0.5
    ols = datamodels.fit(masks, margins, estimator="ols")
    np.testing.assert_allclose(ols.predict(masks), margins, atol=1e-3)  # interpolates


def test_one_target():
    masks, margins, *_ = study()
    one = datamodels.fit(masks, margins[:, 2:3])
    np.testing.assert_allclose(one.weights[0], datamodels.fit(masks, margins).weights[2], atol=1e-6)


def test_targets_in_blocks_are_what_they_are_together():
    masks, margins, *_ = study()
    margins[7, 4] = np.nan  # a model fails for all targets, whichever block is fitted
    whole = datamodels.fit(masks, margins)
    block = datamodels.fit(masks, margins, targets=[3, 1])
    np.testing.assert_allclose(block.weights, whole.weights[[3, 1]], atol=1e-6)
    assert (block.n_models, block.n_failed) == (whole.n_models, whole.n_failed) == (399, 1)


def test_failed_models_are_left_out_and_counted():
    masks, margins, *_ = study()
    failed = [0, 9, 17, 399]
    margins[failed] = np.nan
    fit = datamodels.fit(masks, margins)
    kept = np.setdiff1d(np.arange(400), failed)
    held = np.flatnonzero(np.isin(kept, np.arange(9, 400, 10)))
    expected = datamodels.fit(masks[kept], margins[kept], held_out=held)
    np.testing.assert_allclose(fit.weights, expected.weights, atol=1e-6)
    assert (fit.n_models, fit.n_failed) == (396, 4)
    margins[:] = np.nan
    with pytest.raises(UserError, match="no model"):
        datamodels.fit(masks, margins)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_margins_of_other_precision(kind):
    masks, margins, *_ = study()
    margins = margins.astype(np.float16)
    fit = datamodels.fit(masks, margins.astype(kind))
    assert_certified(fit, masks, margins)
    assert fit.weights.dtype == np.float32


def test_float16_overflow_counts_as_failed():
    masks, margins, *_ = study()
    margins = margins.astype(np.float16)
    margins[5, 0] = np.inf
    assert datamodels.fit(masks, margins).n_failed == 1


def test_packed_masks_and_mapped_margins(tmp_path):
    masks, margins, *_ = study()
    np.save(tmp_path / "margins.npy", margins)
    mapped = np.load(tmp_path / "margins.npy", mmap_mode="r")
    packed = Masks(np.packbits(masks, axis=1), masks.shape[1])
    fit, expected = datamodels.fit(packed, mapped), datamodels.fit(masks, margins)
    np.testing.assert_array_equal(fit.weights, expected.weights)
    np.testing.assert_array_equal(fit.predict(packed), expected.predict(masks))


def test_large_mean_does_not_cost_precision():
    masks, margins, *_ = study()
    margins = margins.astype(np.float64)
    shifted = datamodels.fit(masks, margins + 1e6)
    np.testing.assert_allclose(shifted.weights, datamodels.fit(masks, margins).weights, atol=1e-4)


def test_held_out_models_choose_lambda():
    masks, margins, *_ = study(m=600)
    z, y = standardised(masks[100:]), margins[100:] - margins[100:].mean(0)
    held = (masks[:100] - masks[100:].mean(0)) / masks[100:].std(0)
    fit = datamodels.fit(masks, margins, held_out=np.arange(100), path=10)
    from sklearn.linear_model import lasso_path

    all_z, all_y = standardised(masks), margins - margins.mean(0)
    for t in range(margins.shape[1]):
        largest = np.abs(all_z.T @ all_y[:, t]).max() / 600
        grid = largest * 0.01 ** (np.arange(10) / 9)
        _, coefs, _ = lasso_path(z, y[:, t].astype(np.float64), alphas=grid, tol=1e-8)
        predicted = held @ coefs + margins[100:, t].mean()
        errors = np.square(predicted - margins[:100, [t]]).mean(0)
        assert fit.lambdas[t] == pytest.approx(grid[errors.argmin()], rel=1e-6)


def test_cross_validation_chooses_between_the_folds():
    masks, margins, *_ = study()
    fit = datamodels.fit(masks, margins, folds=4)
    assert_certified(fit, masks, margins)
    parts = [datamodels.fit(masks, margins, held_out=np.arange(k, 400, 4)) for k in range(4)]
    lambdas = np.array([part.lambdas for part in parts])
    assert (fit.lambdas >= lambdas.min(0) * 0.999).all()
    assert (fit.lambdas <= lambdas.max(0) * 1.001).all()


def test_unreached_tolerance_is_reported():
    masks, margins, *_ = study()
    fit = datamodels.fit(masks, margins, tolerance=1e-30)
    np.testing.assert_array_equal(fit.unconverged, np.flatnonzero(fit.gap > 1e-30))
    assert len(fit.unconverged)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"estimator": "lars"}, "estimator"),
        ({"path": 1}, "path"),
        ({"min_ratio": 1.5}, "min_ratio"),
        ({"tolerance": 0}, "tolerance"),
        ({"held_out": 1.5}, "held_out"),
        ({"held_out": []}, "held_out"),
        ({"folds": 1}, "folds"),
        ({"folds": 3, "held_out": 0.1}, "folds"),
        ({"targets": [99]}, "targets"),
        ({"device": "abacus"}, "device"),
    ],
)
def test_impossible_settings_are_named(settings, named):
    masks, margins, *_ = study(m=50)
    with pytest.raises(UserError, match=named):
        datamodels.fit(masks, margins, **settings)


@pytest.mark.parametrize("settings", [{}, {"held_out": 0.3}, {"folds": 3}])
def test_grams_of_ranges_are_the_grams_of_all(tmp_path, settings):
    masks, margins, *_ = study(m=301)
    margins[[4, 250]] = np.nan
    grams = datamodels.Grams.of(masks[:100], margins[:100], **settings)
    grams = grams.extend(masks, margins, stop=230)
    grams.save(tmp_path / "grams.npz")
    grams = datamodels.Grams.load(tmp_path / "grams.npz").extend(masks, margins)
    whole = datamodels.fit(masks, margins, **settings)
    block = datamodels.fit(masks, margins, grams=grams, targets=[2, 0])
    np.testing.assert_allclose(block.weights, whole.weights[[2, 0]], atol=1e-6)
    np.testing.assert_array_equal(block.lambdas, whole.lambdas[[2, 0]])
    assert block.n_failed == 2


def test_masks_that_are_not_bool_are_refused():
    masks, margins, *_ = study(m=50)
    with pytest.raises(UserError, match="masks: are float64"):
        datamodels.fit(masks.astype(float), margins)


def test_grams_of_other_models_are_refused():
    masks, margins, *_ = study()
    grams = datamodels.Grams.of(masks[:100], margins[:100])
    with pytest.raises(UserError, match="grams: are of 100 models"):
        datamodels.fit(masks, margins, grams=grams)
    with pytest.raises(UserError, match="leave out held_out"):
        datamodels.fit(masks[:100], margins[:100], grams=grams, folds=3)


def test_result_does_not_depend_on_threads():
    masks, margins, *_ = study(targets=70)
    threads = torch.get_num_threads()
    fits = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            fits.append(datamodels.fit(masks, margins))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(fits[0].weights, fits[1].weights)
    np.testing.assert_array_equal(fits[0].gap, fits[1].gap)
