"""Masks: fixed size, the same whoever asks, uniform."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeldiff import subsets
from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.study import sizes


@given(
    n=st.integers(1, 300),
    alpha=st.floats(0.01, 1),
    models=st.lists(st.integers(0, 10**6), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 2**40),
)
def test_a_mask_depends_on_its_model_alone(n, alpha, models, seed):
    chosen = sizes.subset_size(n, alpha)
    if chosen == 0:
        with pytest.raises(UserError, match=f"alpha: {alpha} of {n}"):
            subsets.draw(n, models, alpha, seed)
        return
    masks = subsets.draw(n, models, alpha, seed)
    assert masks.dtype == bool
    assert masks.shape == (len(models), n)
    assert (masks.sum(1) == chosen).all()
    for model, mask in zip(models, masks, strict=True):
        np.testing.assert_array_equal(subsets.draw(n, [model], alpha, seed)[0], mask)


def test_size_is_the_floor_without_float_noise():
    assert sizes.subset_size(10, 0.3) == 3  # 0.3 * 10 is 3.0000000000000004 or 2.9999999999999996
    assert sizes.subset_size(100, 0.29) == 29
    assert sizes.subset_size(7, 0.5) == 3


def test_every_example_is_drawn_alike():
    """Inclusion counts and pair counts match sampling without replacement, to five sigma."""
    n, models, alpha = 40, 20_000, 0.5
    masks = subsets.draw(n, range(models), alpha, 0).astype(float)
    counts = masks.sum(0)
    assert np.abs(counts - models * alpha).max() < 5 * np.sqrt(models * alpha * (1 - alpha))
    p = 0.5 * 19 / 39
    pairs = (masks.T @ masks)[np.triu_indices(n, 1)]
    assert np.abs(pairs - models * p).max() < 5 * np.sqrt(models * p * (1 - p))


def test_seeds_share_nothing():
    a, b = (subsets.draw(1000, range(200), 0.5, seed) for seed in (0, 1))
    agreement = (a == b).mean()
    assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(a.size)


def test_masks_are_the_same_for_ever():
    """A change of these bytes would silently orphan every trained model: raise VERSIONS too."""
    packed = np.packbits(subsets.draw(1200, range(10), 0.5, 0), axis=1)
    assert hashlib.sha256(packed.tobytes()).hexdigest()[:16] == "ad51c20f1d7b2cac"


def test_packed_masks_unpack_by_rows(tmp_path):
    path = tmp_path / "masks.npy"
    subsets.write(path, 37, range(2500), 0.3, 5, "key")
    masks = subsets.Masks.open(path, "key", (2500, 37))
    expected = subsets.draw(37, range(2500), 0.3, 5)
    assert masks.shape == (2500, 37)
    assert len(masks) == 2500
    np.testing.assert_array_equal(masks[990:1010], expected[990:1010])
    np.testing.assert_array_equal(masks[np.array([7, 2400])], expected[[7, 2400]])
    assert path.stat().st_size < 2500 * 5 + 200


def test_keys_do_not_run_into_each_other():
    assert rng.key("a", 1, 2) != rng.key("a", 12)
    assert rng.key("1") != rng.key(1)
    assert sorted(rng.permutation(50, "x").tolist()) == list(range(50))
    np.testing.assert_array_equal(rng.words(5, "x"), rng.words(9, "x")[:5])
    u = rng.uniform(10_000, "u")
    assert 0 <= u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 / np.sqrt(12 * 10_000)


def test_a_number_of_models_in_place_of_their_numbers_is_one_line():
    with pytest.raises(
        UserError, match=r"models: is 400; must be their numbers, e.g. range\(400\)"
    ):
        subsets.draw(300, 400, 0.5, 0)
