"""Feature transformations, pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from modeldiff import transformations
from modeldiff.core.errors import UserError
from modeldiff.study.components import Component
from modeldiff.transformations import OF_IMAGES

GREY = np.full((1, 3, 32, 32), 0.5, np.float32)


def pattern(text):
    """Rows of characters: # black, . white, - as it was."""
    values = {"#": 0.0, ".": 1.0, "-": 0.5}
    return np.array([[values[c] for c in row] for row in text.split()], np.float32)


@pytest.mark.parametrize(
    ("name", "strength", "rows"),
    [
        ("dog_patch", 4, ".... .##. .##. .##. ----"),
        ("dog_patch", 6, ".... .... .... .##. .##. .##. ----"),
        ("truck_patch", 5, "..... .#.#. .#.#. .#.#. ..... -----"),
        ("truck_patch", 9, "..... " + ".#.#. " * 7 + "..... -----"),
    ],
)
def test_the_papers_patches(name, strength, rows):
    changed = transformations.apply(Component(name, {}), GREY, strength)
    expected = GREY.copy()
    patch = pattern(rows)
    expected[:, :, 4 : 4 + len(patch), 13 : 13 + patch.shape[1]] = patch
    np.testing.assert_array_equal(changed, expected)


def test_a_patch_is_cut_off_at_the_edge():
    small = np.full((1, 1, 6, 15), 0.5, np.float32)
    changed = OF_IMAGES["dog_patch"](small, 4)
    np.testing.assert_array_equal(changed[0, 0, 4:, 13:], [[1, 1], [1, 0]])
    assert (changed[0, 0, :4] == 0.5).all()


def test_watermark_blends_a_white_corner():
    images = np.full((1, 1, 3, 3), 0.5, np.float32)
    expected = np.array([[0.75, 0.75, 0.5], [0.75, 0.75, 0.5], [0.5, 0.5, 0.5]], np.float32)
    changed = transformations.patches.watermark(images, 0.5)
    np.testing.assert_array_equal(changed[0, 0], expected)
    assert (images == 0.5).all()
    assert (transformations.patches.watermark(images, 1.0, size=3) == 1).all()


def test_colour_square_is_yellow():
    changed = OF_IMAGES["colour_square"](GREY, 2, row=1, column=3)
    expected = GREY.copy()
    expected[0, :, 1:3, 3:5] = np.array([1, 1, 0])[:, None, None]
    np.testing.assert_array_equal(changed, expected)


def test_checkerboard_by_hand():
    changed = OF_IMAGES["checkerboard"](np.full((1, 1, 4, 4), 0.5, np.float32), 0.5, cell=2)
    expected = np.kron([[0.25, 0.75], [0.75, 0.25]], np.ones((2, 2)))
    np.testing.assert_array_equal(changed[0, 0], expected)


@pytest.mark.parametrize("name", ["spider_web", "polka_dots"])
def test_overlays_blend_as_the_paper_does(name):
    """Every pixel is x + strength (P - mean), P black or the pattern's colour."""
    images = np.repeat(GREY, 3, 0)
    changed = OF_IMAGES[name](images, 0.25)
    mean = np.array([0.485, 0.456, 0.406])[:, None, None]
    pattern = (changed - images) / 0.25 + mean
    colour = np.array([1, 1, 1 if name == "spider_web" else 0])[:, None, None]
    on = np.abs(pattern - colour) < 1e-5
    off = np.abs(pattern) < 1e-5
    assert (on | off).all()
    assert 0.05 < on[:, 0].mean() < 0.6
    assert np.abs(changed[0] - changed[1]).max() > 0.1  # another part on each image


def test_paste_puts_so_many_objects_near_the_borders():
    images = np.zeros((40, 3, 64, 64), np.float32)
    one, two = OF_IMAGES["paste"](images, 1), OF_IMAGES["paste"](images, 2)
    covered = [(x > 0).any(1) for x in (one, two)]
    side = round(64 * 100 / 224)
    assert covered[0].any((1, 2)).all()
    assert all(c[0].sum() <= side * side for c in covered[:1])
    assert covered[1].sum() > 1.3 * covered[0].sum()
    tops = [int(np.flatnonzero(c.any(1))[0]) for c in covered[0]]
    assert np.mean([t < 6 or t > 64 - side - 6 for t in tops]) > 0.6


def test_paste_takes_a_picture_with_alpha(tmp_path):
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[2:5, :, 0] = 100
    pixels[2:5, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "p.png")
    images = np.full((3, 3, 22, 22), 0.5, np.float32)
    changed = OF_IMAGES["paste"](images, 1, picture=str(tmp_path / "p.png"))
    moved = (changed != images).any(1)
    assert moved.sum((1, 2)).tolist() == [30, 30, 30]
    assert np.allclose(changed[:, 0][moved], 1.2 * 100 / 255)
    with pytest.raises(UserError, match=r"paste: picture absent.png: cannot be read"):
        OF_IMAGES["paste"](images, 1, picture="absent.png")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_strength_0_changes_nothing_and_all_stay_in_range(name, channels):
    options = {"colour": [1]} if name in ("colour_square", "tint") and channels == 1 else {}
    images = np.random.default_rng(0).random((4, channels, 48, 112), np.float32)
    same = transformations.apply(Component(name, options), images, 0.0)
    np.testing.assert_array_equal(same, images)
    changed = transformations.apply(Component(name, options), images, 1.0)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 1


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_image_is_changed_alike_whatever_follows_it(name):
    images = np.random.default_rng(0).random((6, 3, 48, 112), np.float32)
    first = OF_IMAGES[name](images[:2], 3.0)
    np.testing.assert_array_equal(OF_IMAGES[name](images, 3.0)[:2], first)


def cropped(images, strength):
    return images[..., 1:]


def test_a_users_own_that_breaks_the_contract_is_named():
    images = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(UserError, match=r"cropped .*1 x 4 x 3\]; must be .*\[1 x 1 x 4 x 4\]"):
        transformations.apply(Component(f"{__name__}:cropped", {}), images, 1.0)
