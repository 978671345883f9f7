"""Datamodels: what a fit promises, held against planted truth and independent solvers."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LinearRegression, Ridge

from modeldiff import datamodels
from modeldiff.core.errors import UserError


def study(m=400, n=60, targets=5, noise=0.5, seed=0):
    """Masks of half the examples, margins of planted sparse weights, and those weights."""
    random = np.random.default_rng(seed)
    masks = np.argsort(random.random((m, n)), axis=1) < n // 2
    weights = np.zeros((targets, n))
    for row in weights:
        row[random.choice(n, 4, replace=False)] = random.choice([-2, -1, 1, 2], 4)
    intercept = random.normal(size=targets)
    margins = masks @ weights.T + intercept + noise * random.normal(size=(m, targets))
    return masks, margins.astype(np.float32), weights, intercept


def standardised(masks):
    return (masks - masks.mean(0)) / masks.std(0)


def test_recovers_planted_weights_in_units_of_the_mask():
    masks, margins, weights, intercept = study(m=2000, noise=0.1)
    fit = datamodels.fit(masks, margins)
    assert np.abs(fit.weights - weights).max() < 0.03
    np.testing.assert_allclose(fit.intercept, intercept, atol=0.1)
    np.testing.assert_allclose(fit.predict(masks), margins, atol=0.6)
    np.testing.assert_allclose(fit.predict(masks), masks @ fit.weights.T + fit.intercept, atol=1e-5)


def test_lasso_agrees_with_scikit_learn():
    masks, margins, *_ = study()
    fit = datamodels.fit(masks, margins)
    z = standardised(masks)
    for t in range(margins.shape[1]):
        peer = Lasso(alpha=fit.lambdas[t], tol=1e-12, max_iter=100_000).fit(z, margins[:, t])
        np.testing.assert_allclose(fit.weights[t] * masks.std(0), peer.coef_, atol=1e-3)
    assert fit.gap.max() <= 1e-6
    assert not len(fit.unconverged)


def test_ridge_and_ols_agree_with_scikit_learn():
    masks, margins, *_ = study()
    z, m = standardised(masks), len(masks)
    ridge = datamodels.fit(masks, margins, estimator="ridge", penalty=0.3)
    peer = Ridge(alpha=0.3 * m).fit(z, margins)
    np.testing.assert_allclose(ridge.weights * masks.std(0), peer.coef_, atol=1e-5)
    ols = datamodels.fit(masks, margins, estimator="ols")
    fitted = LinearRegression().fit(z, margins).predict(z)
    np.testing.assert_allclose(ols.predict(masks), fitted, atol=1e-4)
    assert max(ridge.gap.max(), ols.gap.max()) < 1e-10


def test_difference_is_of_means_with_and_without():
    masks, margins, *_ = study()
    fit = datamodels.fit(masks, margins, estimator="difference")
    expected = margins[masks[:, 3], 1].mean() - margins[~masks[:, 3], 1].mean()
    assert fit.weights[1, 3] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(fit.predict(masks).mean(0), margins.mean(0), atol=1e-4)


@pytest.mark.parametrize("dense", [False, True])
def test_file_round_trip(tmp_path, dense):
    masks, margins, *_ = study()
    fit = datamodels.fit(masks, margins, estimator="ridge" if dense else "lasso")
    fit.save(tmp_path / "a.npz")
    with open(tmp_path / "b.npz", "w+b") as file:
        fit.save(file)
    for name in ("a.npz", "b.npz"):
        back = datamodels.Datamodels.load(tmp_path / name)
        for field in fit.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(back, field), getattr(fit, field))
    (tmp_path / "b.npz").write_bytes(b"not a file")
    with pytest.raises(UserError, match=r"b\.npz"):
        datamodels.Datamodels.load(tmp_path / "b.npz")


def test_mismatched_shapes_are_named():
    masks, margins, *_ = study()
    with pytest.raises(UserError, match=r"\(400, 60\).*\(399, 5\)"):
        datamodels.fit(masks, margins[1:])
