"""Ridge towards a prior: held against scikit-learn's ridge, and against planted weights."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from modeldiff import datamodels
from modeldiff.core.errors import UserError
from modeldiff.datamodels import prior

MODELS, EXAMPLES, TARGETS = 120, 80, 12
SCALE = 250.0  # influences have units of their own


@pytest.fixture(scope="module")
def planted():
    """Masks, margins of known weights with noise, and those weights."""
    random = np.random.default_rng(0)
    masks = random.random((MODELS + 200, EXAMPLES)) < 0.5
    weights = random.normal(size=(TARGETS, EXAMPLES))
    margins = masks @ weights.T + random.normal(scale=3, size=(len(masks), TARGETS)) + 5
    return masks, margins, weights


def ridge(masks, margins, **how):
    return datamodels.fit(masks, margins, estimator="ridge", **how)


def test_a_good_prior_predicts_better_and_is_scaled_to_the_margins(planted):
    masks, margins, weights = planted
    rough = weights + np.random.default_rng(1).normal(scale=0.5, size=weights.shape)
    given = rough / SCALE
    plain = ridge(masks[:MODELS], margins[:MODELS])
    shrunk = ridge(masks[:MODELS], margins[:MODELS], prior=given)
    assert shrunk.prior == pytest.approx(0.8 * SCALE, rel=0.15)  # 1 / (1 + .5 ** 2)
    assert (shrunk.lambdas > plain.lambdas).all()
    errors = []
    for fitted in (plain, shrunk):
        missed = fitted.predict(masks[MODELS:]) - masks[MODELS:] @ weights.T  # without the noise
        errors.append(np.square(missed - missed.mean(0)).mean())
    assert errors[1] < 0.5 * errors[0]


def test_the_solution_is_scikit_learns_ridge_of_what_the_prior_leaves(planted):
    masks, margins, weights = (planted[0][:MODELS], planted[1][:MODELS], planted[2])
    fitted = ridge(masks, margins, prior=weights / SCALE)
    deviation = masks.std(0)
    z = (masks - masks.mean(0)) / deviation
    pulled = fitted.prior * weights / SCALE
    left = margins - masks @ pulled.T
    for t in range(TARGETS):
        peer = Ridge(alpha=MODELS * fitted.lambdas[t]).fit(z, left[:, t])
        expected = peer.coef_ / deviation + pulled[t]
        np.testing.assert_allclose(fitted.weights[t], expected, rtol=1e-5, atol=1e-6)
    assert fitted.gap.max() < 1e-10


@pytest.mark.parametrize("useless", ["against", "nothing"])
def test_a_prior_that_does_not_help_leaves_plain_ridge(planted, useless):
    masks, margins, weights = (planted[0][:MODELS], planted[1][:MODELS], planted[2])
    given = -weights if useless == "against" else 0 * weights
    plain = ridge(masks, margins)
    fitted = ridge(masks, margins, prior=given)
    assert fitted.prior == 0
    np.testing.assert_array_equal(fitted.weights, plain.weights)
    np.testing.assert_array_equal(fitted.lambdas, plain.lambdas)


@pytest.mark.parametrize("folds", [None, 4])
def test_the_choice_is_the_smallest_error_on_models_left_out(planted, folds):
    masks, margins, weights = (planted[0][:MODELS], planted[1][:MODELS], planted[2])
    given = weights / SCALE
    fitted = ridge(masks, margins, prior=given, folds=folds)
    part = np.arange(MODELS) % folds if folds else np.arange(MODELS) % 10 == 9
    choosing = range(folds) if folds else [1]

    def error(times, coefficient):
        total = 0
        for k in choosing:
            rest = part != k
            deviation = masks[rest].std(0)
            z = (masks - masks[rest].mean(0)) / deviation
            y = (margins - margins[rest].mean(0)) / margins[rest].std(0)
            w = coefficient * given * deviation / margins[rest].std(0)[:, None]
            left = y - z @ w.T
            peer = Ridge(alpha=rest.sum() * 0.1 * times, fit_intercept=False)
            peer.fit(z[rest], left[rest])
            total += np.square(left[~rest] - z[~rest] @ peer.coef_.T).mean(0).sum()
        return total

    times = fitted.lambdas[0] / 0.1
    least = error(times, fitted.prior)
    for other in prior.TRIED:
        for factor in (0, 0.9, 1, 1.1):
            assert error(other, factor * fitted.prior) >= least * (1 - 1e-6)


def test_shares_of_the_targets_are_fitted_as_all_together(planted):
    masks, margins, weights = planted
    whole = ridge(masks, margins, prior=weights)
    parts = [ridge(masks, margins, prior=weights, targets=t) for t in ([0, 1, 2], range(3, 12))]
    np.testing.assert_array_equal(datamodels.Datamodels.joined(parts).weights, whole.weights)
    assert {part.prior for part in parts} == {whole.prior}


def test_priors_that_cannot_be(planted):
    masks, margins, weights = planted
    with pytest.raises(UserError, match="prior: is for ridge, not for lasso"):
        datamodels.fit(masks, margins, estimator="lasso", prior=weights)
    with pytest.raises(UserError, match=r"\[targets x examples\], \(12, 80\)"):
        ridge(masks, margins, prior=weights.T)
    weights = weights.copy()
    weights[3, 4] = np.nan
    with pytest.raises(UserError, match="not finite"):
        ridge(masks, margins, prior=weights)
