"""The lasso held against independent solvers, on random problems; both our solvers included."""

import numpy as np
import pytest
import torch
from celer import Lasso as Celer
from hypothesis import given, settings
from hypothesis import strategies as st
from skglm import Lasso as Skglm
from test_datamodels import standardised, study

from modeldiff import datamodels
from modeldiff.datamodels import gram, lambda_path
from modeldiff.datamodels.gram import Cross, Gram
from modeldiff.datamodels.lasso import Problem


def problem(m, n, density, alpha, seed):
    """Standardised masks, two targets, and the same as sums over models."""
    random = np.random.default_rng(seed)
    masks = random.random((m, n)) < alpha
    masks[0], masks[1] = True, False  # every column varies
    weights = random.normal(size=(2, n)) * (random.random((2, n)) < density)
    margins = masks @ weights.T + random.normal(size=(m, 2))
    used = np.ones(m, bool)
    shift = torch.from_numpy(margins[:9].mean(0))
    sums = Gram.of(masks, used, shift.device), Cross.of(masks, margins, used, shift, np.arange(2))
    z = (masks - masks.mean(0)) / masks.std(0)
    return z, margins - margins.mean(0), Problem.of(*sums)


def objective(z, y, v, penalty):
    return np.square(y - z @ v).sum() / (2 * len(y)) + penalty * np.abs(v).sum()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    m=st.integers(20, 150),
    n=st.integers(2, 80),
    density=st.sampled_from([0.05, 0.3, 1.0]),
    alpha=st.sampled_from([0.2, 0.5, 0.8]),
    ratio=st.sampled_from([0.5, 0.1, 0.02]),
    seed=st.integers(0, 999),
)
def test_objective_and_support_agree_with_celer_and_skglm(m, n, density, alpha, ratio, seed):
    z, y, ours = problem(m, n, density, alpha, seed)
    penalties = np.abs(z.T @ y).max(0) / m * ratio
    v, gaps = lambda_path.refit(
        ours, torch.from_numpy(penalties), torch.zeros(2, n, dtype=torch.float64), 1e-7
    )
    assert gaps.max() <= 1e-6  # 1e-7 but for the rounding of weights to float32
    for t in range(2):
        found = v[t].numpy() * float(ours.scale[t])
        mine = objective(z, y[:, t], found, penalties[t])
        for peer in (
            Celer(alpha=penalties[t], tol=1e-12, fit_intercept=False, max_iter=1000),
            Skglm(alpha=penalties[t], tol=1e-12, fit_intercept=False, max_iter=1000),
        ):
            theirs = peer.fit(z, y[:, t]).coef_
            other = objective(z, y[:, t], theirs, penalties[t])
            assert mine == pytest.approx(other, abs=1e-6 * np.var(y[:, t]) / 2)
            if m > 2 * n:  # strongly convex: the gap allows a verdict on what is clearly not zero
                clear = np.abs(theirs) > 1e-2 * y[:, t].std()
                np.testing.assert_array_equal(np.sign(found[clear]), np.sign(theirs[clear]))


@pytest.mark.parametrize(("m", "n"), [(400, 60), (150, 200)])
def test_matrix_products_agree_with_compiled_kernels(monkeypatch, m, n):
    """What runs on a GPU gives, on the CPU, what the compiled kernels give."""
    masks, margins, *_ = study(m, n, targets=11)
    expected = datamodels.fit(masks, margins)
    for module in (gram, lambda_path):
        monkeypatch.setattr(module, "compiled", lambda device: False)
    fit = datamodels.fit(masks, margins)
    assert fit.gap.max() <= 1e-6
    np.testing.assert_allclose(fit.lambdas, expected.lambdas, rtol=1e-9)
    z, y = standardised(masks), margins - margins.mean(0)
    for t in range(len(fit.weights)):
        found, other = (
            objective(z, y[:, t], x.weights[t] * masks.std(0), x.lambdas[t])
            for x in (fit, expected)
        )
        assert found == pytest.approx(other, abs=2e-6 * float(np.var(y[:, t])))
