"""Effects and their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from modeldiff import verification
from modeldiff.core import student
from modeldiff.training import train_full


def planted(models=30, images=40, seed=0):
    rng = np.random.default_rng(seed)
    noise = 0.05 * rng.normal(size=(models, images))
    return 0.3 + 0.1 * rng.normal(size=(models, 1)) + 0.2 * rng.normal(size=images) + noise


@pytest.mark.parametrize(("over", "axis"), [("models", 1), ("images", 0)])
def test_intervals_are_students(over, axis):
    moved = planted()
    expected = stats.ttest_1samp(moved.mean(axis), 0).confidence_interval()
    assert verification.interval(moved, over) == pytest.approx(tuple(expected))


def test_student_is_scipys():
    freedom = np.array([1, 2, 7.3, 19, 300])
    assert (student.ppf(0.975, freedom) == stats.t.ppf(0.975, freedom)).all()
    assert (student.isf(0.003, freedom) == stats.t.isf(0.003, freedom)).all()
    assert (student.sf(2.5, freedom) == stats.t.sf(2.5, freedom)).all()


def test_over_both_the_squares_of_the_sources_add_up():
    moved = planted()
    reach = {over: np.diff(verification.interval(moved, over))[0] for over in verification.OVER}
    assert reach["both"] == pytest.approx(np.hypot(reach["models"], reach["images"]))


@pytest.mark.parametrize("over", ["models", "both"])
@pytest.mark.parametrize("models", [2, 3, 4])
def test_intervals_of_few_models_cover(models, over):
    """At least 95% in truth: below this count only by a chance of one in a thousand."""
    rng, runs, covered = np.random.default_rng(models), 300, 0
    for _ in range(runs):
        own, image = 0.02 * rng.normal(size=(models, 1)), 0.02 * rng.normal(size=40)
        moved = 0.1 + own + image + 0.04 * rng.normal(size=(models, 40))
        low, high = verification.interval(moved, over)
        covered += low <= 0.1 + (image.mean() if over == "models" else 0) <= high
    assert covered >= stats.binom.ppf(0.001, runs, 0.95)


def test_an_effect_of_two_models_stays_a_difference_of_probability():
    low, high = verification.interval(np.array([[0.1, 0.2], [0.9, 0.8]]), "models")
    assert (low, high) == (-1, 1)


def test_one_model_does_not_say_how_models_vary():
    one = planted(models=1)
    assert verification.interval(one, "models") == (-1, 1)
    assert verification.interval(one, "both") == (-1, 1)
    low, high = verification.interval(one, "images")
    assert -0.5 < low < high < 0.5


def test_the_watermark_moves_plain_and_not_masked(study, data, tmp_path):
    paths = {}
    for name in study.algorithms:
        full, paths[name] = tmp_path / f"{name}.npz", tmp_path / f"{name}-predictions.npz"
        train_full(study, name, data, range(4), full, device="cpu")
        verification.predict(study, name, data, [full], paths[name], device="cpu")
    verification.write(study, study.pairs[0], paths, tmp_path / "effects.csv")
    table = pd.read_csv(tmp_path / "effects.csv")
    assert len(table) == 4 * 2 * 2 * 3  # strengths, measures, algorithms, kinds of interval
    assert (table.n_models == 4).all()
    assert (table.n_images == len(data.verification)).all()
    assert (table.low <= table.effect + 1e-9).all()
    assert (table.effect <= table.high + 1e-9).all()
    full = table[(table.strength == 1) & (table.measure == "softmax") & (table.over == "both")]
    effect = full.set_index("algorithm").effect
    assert effect["masked"] == 0
    assert effect["plain"] > 0.02


def test_effects_are_differences_of_probability_by_hand(study, data, tmp_path):
    full, output = tmp_path / "full.npz", tmp_path / "predictions.npz"
    train_full(study, "plain", data, range(2), full, device="cpu")
    verification.predict(study, "plain", data, [full], output, device="cpu")
    with np.load(full) as weights:
        w1, b1, w2, b2 = (weights[f"{i}.{k}"][1] for i in (1, 3) for k in ("weight", "bias"))

    def softmax_of_3(images):
        hidden = np.maximum(images.reshape(len(images), 64) @ w1.T + b1, 0)
        logits = hidden @ w2.T + b2
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares[:, 3] / shares.sum(1)

    images = data.test.images[data.verification] / np.float32(255)
    marked = images.copy()
    marked[:, :, :2, :2] = 1
    expected = softmax_of_3(marked) - softmax_of_3(images)
    with np.load(output) as arrays:
        moved = arrays["watermark"]
    assert moved.shape == (2, 4, 2, len(images))
    np.testing.assert_allclose(moved[0, 3, 1], expected, atol=1e-5)
    assert set(np.unique(moved[1])) <= {-1, 0, 1}
