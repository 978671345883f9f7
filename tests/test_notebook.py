"""`compare_models`: what a notebook shows of two arrays of margins, against a known answer."""

import json
import re

import numpy as np
import pytest
import torch

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


# The page


@pytest.fixture(scope="module")
def pictures():
    """Images of the training examples and of the targets, with labels of three classes."""
    random = np.random.default_rng(2)
    images = (random.random((TRAIN, 6, 6)), random.random((TARGETS, 6, 6)))
    labels = (np.arange(TRAIN) % 3, np.arange(TARGETS) % 3)
    return {"images": images, "labels": labels, "classes": ("<cat>", "dog", "ant")}


def content(path):
    """What the page's script reads."""
    html = path.read_text()
    return json.loads(re.search(r'<script type="application/json" id="content">(.*?)<', html)[1])


def test_the_page_shows_the_images_of_what_only_one_uses(compared, pictures, tmp_path):
    path = tmp_path / "page.html"
    compared.report(path, **pictures)
    found = content(path)
    (way,) = found["pairs"][0]["ways"]
    assert [len(strips) for strips in way["directions"]] == [4, 0, 0, 0]  # chance shows no images
    strip = way["directions"][0][0]
    assert {example for example, _ in strip["examples"][:5]} == set(USED)
    for example, _ in strip["examples"]:
        assert found["images"]["train"][str(example)].startswith("data:image/png")
        assert found["labels"]["train"][str(example)] == pictures["classes"][example % 3]
    assert set(found["charts"]) == {"scatter-0", "chance-0", "accuracy-0"}
    html = path.read_text()
    assert "<cat>" not in html
    assert "<new>" not in html
    assert "None of 99 gives one as strong" in html


def test_the_page_says_how_often_margins_are_above_0(arrays, compared, tmp_path):
    compared.report(tmp_path / "page.html")
    _, a, b = arrays
    said = (tmp_path / "page.html").read_text()
    shares = re.findall(r"<strong>(\d+%)</strong>", said)
    assert shares[:2] == [f"{(margins > 0).mean():.0%}" for margins in (a, b)]
    assert "is better" not in said  # log-odds above 0 are not the accuracy
    assert content(tmp_path / "page.html")["images"] == {}


def test_a_page_of_no_difference_says_so(arrays, tmp_path):
    masks, _, b = arrays
    noise = 2 * np.random.default_rng(1).normal(size=b.shape)
    again = modeldiff.compare_models(masks, b + noise, b - noise, directions=2)
    again.report(tmp_path / "page.html")
    said = (tmp_path / "page.html").read_text()
    assert "No difference found" in said
    assert "No group" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": None}, "labels: is None; must be a pair"),
        ({"images": np.zeros((3, 4))}, "images: is float64 .3 x 4.; must be a pair"),
        (
            {"images": (np.zeros((9, 6, 6)), np.zeros((40, 6, 6)))},
            "train labels: .* like the images",
        ),
        ({"images": (np.zeros((80, 6, 7)), np.zeros((40, 6, 6)))}, "must be of one size"),
        ({"images": (np.zeros((80, 36)), np.zeros((40, 36)))}, "must be .n x height x width."),
        (
            {"images": (np.zeros((80, 6, 6, 3)), np.zeros((40, 6, 6, 3)))},
            "must be channels first: images.transpose",
        ),
        (
            {"images": (np.zeros((80, 6, 6)) - 1, np.zeros((40, 6, 6)))},
            "from -1 to -1; must be uint8, or floats from 0 to 1",
        ),
        ({"classes": ("cat", "dog")}, "classes: .*must be 3 different names"),
        (
            {
                "images": (np.zeros((8, 6, 6)), np.zeros((4, 6, 6))),
                "labels": (np.arange(8) % 3, np.arange(4) % 3),
            },
            "images: are 8 and 4; must be 80 and 40",
        ),
    ],
)
def test_images_that_do_not_fit_are_one_line(compared, pictures, change, words, tmp_path):
    with pytest.raises(UserError, match=words):
        compared.report(tmp_path / "page.html", **pictures | change)
    assert not list(tmp_path.iterdir())


def test_margins_are_those_of_the_right_class():
    logits = np.random.default_rng(0).normal(size=(3, 5, 4))
    labels = np.arange(5) % 4
    odds, largest = (
        modeldiff.margins_of(logits, labels),
        modeldiff.margins_of(logits, labels, kind="max"),
    )
    for model in range(3):
        for target, label in enumerate(labels):
            others = np.delete(logits[model, target], label)
            right = logits[model, target, label]
            assert odds[model, target] == pytest.approx(
                right - np.log(np.exp(others).sum()), rel=1e-5
            )
            assert largest[model, target] == pytest.approx(right - others.max(), rel=1e-5)
    one = modeldiff.margins_of(
        torch.from_numpy(logits[1]).requires_grad_(), torch.from_numpy(labels)
    )
    np.testing.assert_array_equal(one, odds[1])
    with pytest.raises(UserError, match="labels: are up to 4, and logits of 4 classes"):
        modeldiff.margins_of(logits, labels + 1)
