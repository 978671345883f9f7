"""Wrong arguments to the functions that docs/api.md lists: one line that names the argument."""

import re
from collections.abc import Callable

import numpy as np
import pytest

import modeldiff
from modeldiff import comparison, datamodels, dataset, margins, subsets, training, verification
from modeldiff.core.errors import UserError

random = np.random.default_rng(0)
MASKS = random.random((60, 20)) < 0.5
A, B = random.normal(size=(2, 60, 8))
W, V = random.normal(size=(2, 8, 20))
FIT = datamodels.fit(MASKS, A, estimator="ridge")
UNKNOWN = np.full_like(A, np.nan)
IMAGES = dataset.Images(np.zeros((4, 1, 3, 3), np.uint8), np.arange(4) % 2)
WRONG = (
    *(None, "x", -1, 0.5, True, float("nan"), {}, object(), [[1, 2], [3]]),
    *(np.zeros(3), np.zeros((2, 3)), np.array([["a"]]), np.zeros((0, 0)), UNKNOWN),
    np.zeros((60, 8), object),
)
# Of each function, arguments that are right.
CALLS: dict[str, tuple[Callable, dict]] = {
    "draw": (subsets.draw, {"n_examples": 20, "models": range(5), "alpha": 0.5, "seed": 0}),
    "compare_models": (
        modeldiff.compare_models,
        {"masks": MASKS, "margins_a": A, "margins_b": B, "names": ("A", "B"), "directions": 3},
    ),
    "margins_of": (
        modeldiff.margins_of,
        {"logits": random.normal(size=(3, 8, 4)), "labels": np.arange(8) % 4, "kind": "max"},
    ),
    "contrast": (
        comparison.contrast,
        {"masks": MASKS, "margins_a": A, "margins_b": B, "directions": 3}
        | {"penalty": 2.0, "permutations": 9, "seed": 0, "examples": 5},
    ),
    "compare": (
        comparison.compare,
        {"weights_a": W, "weights_b": V, "directions": 3, "rows": "unit"},
    ),
    "residual": (comparison.residual, {"a": W, "b": V}),
    "scale": (comparison.scale, {"weights": W, "rows": "unit"}),
    "variance_along": (comparison.variance_along, {"weights": W, "directions": W[:2]}),
    "ends": (comparison.ends, {"scores": W[0], "k": 3}),
    "fit": (
        datamodels.fit,
        {"masks": MASKS, "margins": A, "estimator": "ridge", "device": "cpu"}
        | {"path": 5, "min_ratio": 0.1, "tolerance": 1e-3, "penalty": 1.0},
    ),
    "lds": (datamodels.lds, {"datamodels": FIT, "masks": MASKS, "margins": A}),
    "predict": (FIT.predict, {"masks": MASKS}),
    "as_float": (dataset.as_float, {"images": IMAGES.images}),
    "far_below": (margins.far_below, {"shares": random.random(9), "n_targets": 20}),
    "interval": (verification.interval, {"moved": random.random((4, 5)), "over": "both"}),
    "from_scores": (
        modeldiff.ModelDiff().get_A_minus_B_from_scores,
        {"scoresA": W, "scoresB": V, "num_pca_comps": 2},
    ),
}


def refusal(function: Callable, arguments: dict) -> str | None:
    """What a function says of arguments that it refuses; any other error goes on."""
    try:
        function(**arguments)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_refused_in_a_line(name):
    function, right = CALLS[name]
    function(**right)
    refused = dict.fromkeys(right, 0)
    for argument in right:
        for wrong in WRONG:
            said = refusal(function, right | {argument: wrong})
            if said is not None:
                assert re.match(r"[\w ()\[\],]+: ", said), said
                refused[argument] += 1
    assert min(refused.values()) >= 8  # of 15: zeros, say, can be right numbers for some


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((300, 400, 0.5, 0), "models: is 400; must be their numbers, e.g. range.400."),
        ((300, np.int64(400), 0.5, 0), "models: is 400; must be their numbers"),
        (
            (300.5, range(4), 0.5, 0),
            "n_examples: is float 300.5; must be a whole",
        ),
        ((300, [0.5], 0.5, 0), "models: one of them: is float 0.5"),
        ((300, range(4), 1.5, 0), "alpha: 1.5 of 300 examples is a subset of 450"),
    ],
)
def test_what_masks_are_drawn_from_is_said(arguments, words):
    with pytest.raises(UserError, match=words):
        subsets.draw(*arguments)


def test_masks_of_0_and_1_are_named_as_what_they_are():
    with pytest.raises(UserError, match=r"masks: are int64 \[60 x 20\]; must be bool"):
        modeldiff.compare_models(MASKS.astype(int), A, B)
    with pytest.raises(UserError, match="margins_b: are list of 60; must be numbers"):
        modeldiff.compare_models(MASKS, A, B.tolist())


@pytest.mark.parametrize("classes", ["x", (1, 2), (np.zeros(8), np.zeros(20)), np.zeros(8, int)])
def test_classes_of_a_contrast_are_checked(classes):
    with pytest.raises(UserError, match=r"classes: .*int \[8\] and \[20\]"):
        comparison.contrast(MASKS, A, B, directions=2, permutations=9, classes=classes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"algorithm": "sgd"}, "algorithm: is str 'sgd'; must be an algorithm of a study"),
        ({"data": IMAGES.images}, "data: is uint8 .*; must be modeldiff.dataset.Images"),
        ({"classes": 1}, "classes: is 1; must be 2 or more"),
        ({"width": 0}, "width: is 0; must be 1 or more"),
        ({"members": [1]}, "members: hold int 1"),
        (
            {"members": [training.Member((0,), np.array([4]))]},
            "are 4 to 4; must be 0 to 3",
        ),
    ],
)
def test_what_is_trained_is_checked(study, change, words):
    right = {
        "algorithm": study.algorithms["plain"],
        "data": IMAGES,
        "classes": 2,
        "members": [training.Member((0,), np.arange(2))],
        "width": 1,
    }
    with pytest.raises(UserError, match=words):
        next(training.train(**right | change))


def test_margins_of_no_shard_are_none(tmp_path):
    with pytest.raises(UserError, match="paths: are none"):
        margins.gather([], "key", tmp_path / "margins.npy", "key")
