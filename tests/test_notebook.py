"""`compare_models`: what a notebook shows of two arrays of margins, against a known answer."""

import re

import numpy as np
import pytest

import modeldiff
from modeldiff.core.errors import UserError

MODELS, TRAIN, TARGETS = 400, 80, 40
USED = [3, 14, 15, 65, 32]


@pytest.fixture(scope="module")
def arrays():
    """Masks and margins of A and B; on ten targets, only A uses five training examples."""
    random = np.random.default_rng(0)
    masks = modeldiff.subsets.draw(TRAIN, range(MODELS), alpha=0.5, seed=0)
    shared = random.normal(size=(TARGETS, TRAIN))
    only_a = shared.copy()
    only_a[:10, USED] += 2
    noise = 2 * random.normal(size=(2, MODELS, TARGETS))
    return masks, masks @ only_a.T + noise[0], masks @ shared.T + noise[1]


@pytest.fixture(scope="module")
def compared(arrays):
    return modeldiff.compare_models(*arrays, names=("<new>", "old"), directions=4)


def test_it_says_in_a_line_what_was_found(compared):
    assert re.fullmatch(
        r"<new> - old: 1 of 4 directions stand out from chance; "
        r"agreement 0\.9\d \[0\.9\d, 0\.9\d\], they differ \(p = 0\.01\)",
        repr(compared),
    )


def test_the_table_names_what_only_one_uses(compared):
    table = compared.to_frame()
    assert table.direction.tolist() == [1, 2, 3, 4]
    first = table.iloc[0]
    assert (first.follower, first.significant) == ("<new>", True)
    assert sorted(first.train_examples) == sorted(USED)
    assert set(first.targets) <= set(range(10))
    assert not table.significant[1:].any()


def test_names_are_escaped_in_html(compared):
    page = compared._repr_html_()
    assert "&lt;new&gt; - old" in page
    assert "<new>" not in page
    assert page.count("<tr") == 5


def test_the_plot_has_a_number_for_each_direction(compared):
    axes = compared.plot()
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4"]
    assert axes.get_xlabel() == "Reach under <new>"
    (points,) = axes.collections
    np.testing.assert_allclose(points.get_offsets()[:, 0], compared.comparison.reach_a[:, 0])


def test_two_runs_of_one_recipe_are_not_said_to_differ(arrays):
    masks, _, b = arrays
    noise = 2 * np.random.default_rng(1).normal(size=b.shape)
    again = modeldiff.compare_models(masks, b + noise, b - noise, directions=2)
    assert repr(again).startswith("A - B: 0 of 2 directions stand out from chance; agreement ")
    assert "no difference shown" in repr(again)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ("A", "A")}, "names: .*must be two different ones"),
        ({"directions": 500}, "directions: "),
    ],
)
def test_what_cannot_be_compared_is_one_line(arrays, change, words):
    with pytest.raises(UserError, match=words):
        modeldiff.compare_models(*arrays, **change)


def test_arrays_that_do_not_match_are_one_line(arrays):
    masks, a, b = arrays
    with pytest.raises(UserError, match="must be \\[models x n_train\\] and"):
        modeldiff.compare_models(masks[:-1], a, b)
