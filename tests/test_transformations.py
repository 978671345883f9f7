"""Feature transformations, pixel by pixel."""

import numpy as np
import pytest

from modeldiff import transformations
from modeldiff.components import Component
from modeldiff.errors import UserError


def test_watermark_blends_a_white_corner():
    images = np.full((1, 1, 3, 3), 0.5, np.float32)
    expected = np.array([[0.75, 0.75, 0.5], [0.75, 0.75, 0.5], [0.5, 0.5, 0.5]], np.float32)
    changed = transformations.watermark(images, 0.5)
    np.testing.assert_array_equal(changed[0, 0], expected)
    assert (images == 0.5).all()
    assert (transformations.watermark(images, 1.0, size=3) == 1).all()


@pytest.mark.parametrize("name", transformations.BUILT_IN)
def test_strength_0_changes_nothing(name):
    images = np.random.default_rng(0).random((4, 3, 8, 8), np.float32)
    changed = transformations.apply(Component(name, {}), images, 0.0)
    np.testing.assert_array_equal(changed, images)


def cropped(images, strength):
    return images[..., 1:]


def test_a_users_own_that_breaks_the_contract_is_named():
    images = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(UserError, match=r"transformation .*cropped.* must return .*\(1, 1, 4, 4\)"):
        transformations.apply(Component(f"{__name__}:cropped", {}), images, 1.0)
