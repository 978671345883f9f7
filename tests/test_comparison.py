"""The comparison against a plain re-derivation of the paper's, and its promises."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modeldiff import ModelDiff
from modeldiff.comparison import compare, ends
from modeldiff.core.errors import UserError


def uneven(seed, targets=60, examples=40):
    """Two sets of weights that share a part, with rows of very uneven norm."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(targets, examples))
    norms = np.exp(2 * rng.normal(size=(targets, 1)))
    a = norms * (shared + rng.normal(size=shared.shape))
    b = norms[::-1] * (shared + rng.normal(size=shared.shape))
    return a, b


def rederived(a, b, k, rows):
    """The paper's notebooks, line by line, with a full SVD."""

    def unit(w):
        return np.array([row / np.linalg.norm(row) for row in w])

    t1, t2 = a, b
    if rows == "unit":
        t1, t2 = unit(a), unit(b)
    r = np.array([x - (x @ y) / (y @ y) * y for x, y in zip(t1, t2, strict=True)])
    centred = r - r.mean(0)
    v = np.linalg.svd(centred)[2][:k]
    variances = [((unit(w) - unit(w).mean(0)) @ v.T) ** 2 for w in (a, b)]
    reaches = [np.sqrt(((t @ v.T) ** 2).mean(0)) for t in (t1, t2)]
    return v, centred @ v.T, [x.mean(0) for x in variances], reaches, (centred**2).sum()


@pytest.mark.parametrize("shape", [(60, 40), (30, 80)], ids=["tall", "wide"])
@pytest.mark.parametrize("rows", ["unit", "raw"])
def test_it_is_the_papers(rows, shape):
    a, b = uneven(0, *shape)
    found = compare(a, b, directions=5, rows=rows)
    v, projections, (var_a, var_b), reaches, total = rederived(a, b, 5, rows)
    signs = np.sign((v * found.directions).sum(1))
    np.testing.assert_allclose(found.directions, v * signs[:, None], atol=1e-9)
    np.testing.assert_allclose(found.projections, projections * signs, atol=1e-8)
    np.testing.assert_allclose(found.variance_a, var_a, rtol=1e-9)
    np.testing.assert_allclose(found.variance_b, var_b, rtol=1e-9)
    for reach, expected in zip((found.reach_a, found.reach_b), reaches, strict=True):
        np.testing.assert_allclose(reach[:, 0], expected, rtol=1e-9)
        assert np.isnan(reach[:, 1:]).all()
    np.testing.assert_allclose(found.explained, (projections**2).sum(0) / total, rtol=1e-9)


def test_unit_and_raw_rows_are_different_comparisons():
    a, b = uneven(1)
    unit, raw = (compare(a, b, directions=1, rows=rows).directions for rows in ("unit", "raw"))
    assert abs(unit[0] @ raw[0]) < 0.9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), zeros=st.integers(0, 20))
def test_zero_rows_sign_and_determinism(seed, zeros):
    a, b = uneven(seed)
    rng = np.random.default_rng(seed)
    a[rng.choice(60, zeros, replace=False)] = 0
    b[rng.choice(60, zeros, replace=False)] = 0
    one, two = compare(a, b, directions=5), compare(a.copy(), b.copy(), directions=5)
    assert np.isfinite(one.directions).all()
    assert ((one.projections**3).sum(0) >= 0).all()
    np.testing.assert_array_equal(one.directions, two.directions)
    np.testing.assert_allclose(one.directions @ one.directions.T, np.eye(5), atol=1e-9)
    assert (np.diff(one.explained) <= 1e-12).all()


def test_more_directions_than_there_is_variance_stay_finite():
    a = np.zeros((10, 6))
    a[0, 0], a[1, 0] = 1, -1
    found = compare(a, np.zeros((10, 6)), directions=4, rows="raw")
    assert np.isfinite(found.directions).all()
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(found.explained, [1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights_b": np.ones((60, 39))}, "must have one shape"),
        ({"weights_a": np.full((60, 40), np.nan)}, "weights_a: 60 rows are not finite"),
        ({"weights_a": np.ones(60)}, "weights_a: has shape"),
        ({"directions": 41}, "must be 1 to 40"),
        ({"directions": 0}, "must be 1 to 40"),
        ({"rows": "unti"}, "must be one of"),
        ({"weights_a": np.ones((60, 40)), "weights_b": np.ones((60, 40))}, "nothing is left"),
    ],
)
def test_what_cannot_be_compared_is_named(change, words):
    a, b = uneven(2)
    with pytest.raises(UserError, match=words):
        compare(**{"weights_a": a, "weights_b": b, "directions": 2} | change)


def test_ends_are_the_most_extreme_first():
    high, low = ends(np.array([0.1, -5.0, 3.0, 2.0, -1.0]), 2)
    assert high.tolist() == [2, 3]
    assert low.tolist() == [1, 4]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_the_published_class_keeps_its_keys_and_does_not_exchange_them(kind):
    a, b = uneven(3)
    scores_a, scores_b = kind(a), kind(b)
    ab = ModelDiff().get_A_minus_B_from_scores(scores_a, scores_b, num_pca_comps=2)
    ba = ModelDiff().get_B_minus_A_from_scores(scores_a, scores_b, num_pca_comps=2)
    for found in (ab, ba):
        assert set(found) == {"directions", "projections", "variances", "scores"}
        assert found["directions"].shape == (2, 40)
        assert found["projections"].shape == (60, 2)
        assert found["scores"]["A"] is scores_a
        assert found["scores"]["B"] is scores_b
    v, _, (var_a, var_b), *_ = rederived(a, b, 2, "raw")
    np.testing.assert_allclose(abs(ab["directions"] @ v.T), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(ab["variances"]["A"], var_a)
    np.testing.assert_allclose(ab["variances"]["B"], var_b)
    _, _, (var_b, var_a), *_ = rederived(b, a, 2, "raw")
    np.testing.assert_allclose(ba["variances"]["A"], var_a)
    np.testing.assert_allclose(ba["variances"]["B"], var_b)
    by_unit_rows = ModelDiff(rows="unit").get_A_minus_B_from_scores(scores_a, scores_b, 2)
    expected = compare(a, b, directions=2).directions
    np.testing.assert_array_equal(by_unit_rows["directions"], expected)


def test_the_published_class_names_what_are_no_scores():
    with pytest.raises(UserError, match="are list; must be a NumPy array or a torch tensor"):
        ModelDiff().get_A_minus_B_from_scores([[1.0]], np.ones((1, 1)), 1)
