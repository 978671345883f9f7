"""Datamodels by multiplicative weights: what one pass over the models learns."""

import gc

import numpy as np
import pytest
import torch
from test_datamodels import study

from modeldiff import datamodels
from modeldiff.core.errors import UserError
from modeldiff.datamodels import multiplicative_weights
from modeldiff.datamodels.evaluation import spearman
from modeldiff.study import Study


def fit(masks, margins, **how):
    return datamodels.fit(masks, margins, estimator="multiplicative_weights", **how)


def by_the_book(masks, margins, choosing):
    """One target after the other, w of all columns [x, -x, 0] as they stand in the papers."""
    fitted, held_out = np.flatnonzero(~choosing), np.flatnonzero(choosing)
    n = masks.shape[1]
    beta = 1 / (1 + np.sqrt(np.log(2 * n + 1) / len(fitted)))
    best_weights = np.empty((margins.shape[1], n))
    for target, y in enumerate(margins.T.astype(float)):
        least = np.inf
        for norm in multiplicative_weights.NORMS:
            w = np.ones(2 * n + 1)
            for i in range(len(fitted)):
                seen = fitted[: i + 1]
                share, mean, sd = masks[seen].mean(0), y[seen].mean(), y[seen].std()
                x = (masks[seen[-1]] - share) / np.maximum(share, 1 - share)
                columns = np.concatenate([x, -x, [0]])
                p = w / w.sum()
                residual = norm * p @ columns - ((y[seen[-1]] - mean) / sd if sd > 0 else 0)
                loss = (1 + np.clip(residual, -1, 1) * columns) / 2
                assert 0 <= loss.min() <= loss.max() <= 1
                w = w * beta**loss
            p = w / w.sum()
            weights = norm * (p[:n] - p[n:-1]) * sd / np.maximum(share, 1 - share)
            predicted = mean + (masks[held_out] - share) @ weights
            error = np.square(predicted - y[held_out]).sum()
            if error < least:
                least, best_weights[target] = error, weights
    return best_weights


def test_agrees_with_the_papers_loop():
    masks, margins, *_ = study(m=120, n=24, targets=3)
    choosing = np.arange(120) % 10 == 9
    found = fit(masks, margins)
    np.testing.assert_allclose(found.weights, by_the_book(masks, margins, choosing), atol=1e-4)
    predicted = masks @ found.weights.T + found.intercept
    assert predicted[~choosing].mean(0) == pytest.approx(margins[~choosing].mean(0), abs=1e-4)


def test_recovers_which_examples_were_planted():
    masks, margins, weights, _ = study(m=2000, n=60)
    found = fit(masks[:1500], margins[:1500])
    for row, planted in zip(found.weights, weights, strict=True):
        strongest = np.argsort(-np.abs(row))[:4]
        assert set(strongest) == set(np.flatnonzero(planted))
        np.testing.assert_array_equal(np.sign(row[strongest]), np.sign(planted[strongest]))
    lasso = datamodels.fit(masks[:1500], margins[:1500])
    scores = []
    for each in (found, lasso):
        scores.append(spearman(each.predict(masks[1500:]), margins[1500:]).mean())
    assert scores[0] > scores[1] - 0.03
    norm = np.abs(weights).sum(1) / 2  # on masks from -1 to 1
    assert (found.lambdas < 3 * norm).all()
    assert (found.lambdas > norm / 3).all()


def test_models_that_failed_are_left_out_and_counted():
    masks, margins, *_ = study()
    margins[[3, 9, 250]] = np.nan
    found = fit(masks, margins)
    assert (found.n_models, found.n_failed) == (397, 3)
    kept = np.isfinite(margins).all(1)
    choosing = np.flatnonzero((np.arange(400) % 10 == 9)[kept])
    expected = fit(masks[kept], margins[kept], held_out=choosing)
    # How much is learned from a model goes with how many were to come: 360, not 358.
    np.testing.assert_allclose(found.weights, expected.weights, atol=0.02)


def test_a_target_does_not_depend_on_the_others(monkeypatch):
    masks, margins, *_ = study()
    whole = fit(masks, margins)
    some = fit(masks, margins, targets=[3, 1])
    np.testing.assert_allclose(some.weights, whole.weights[[3, 1]], atol=1e-6)
    monkeypatch.setitem(multiplicative_weights.TOGETHER, "cpu", 1)
    np.testing.assert_allclose(fit(masks, margins).weights, whole.weights, atol=1e-6)


def test_examples_in_every_mask_or_in_none_and_constant_targets_have_no_weight():
    masks, margins, *_ = study()
    masks[:, 0], masks[:, 1] = False, True
    margins[:, 2] = 3.3
    found = fit(masks, margins)
    assert not found.weights[:, :2].any()
    assert not found.weights[2].any()
    assert found.intercept[2] == pytest.approx(3.3)
    assert np.isfinite(found.weights).all()


def test_no_weight_overflows():
    """A norm of 1 is too small for this target: its w grow with every model."""
    masks = np.random.default_rng(0).random((1000, 6)) < 0.5
    margins = 1000.0 * masks[:, :3].sum(1, keepdims=True)
    learner = multiplicative_weights.Learner(6, np.arange(1), 1, "cpu")
    learner.learn(masks, margins)
    assert learner.log_w.abs().max() > 89  # whose power is no float32
    learner.judge(masks, margins)
    weights, intercept, _ = learner.chosen()
    np.testing.assert_allclose(masks @ weights.numpy().T + intercept.numpy(), margins, atol=200)


class Counted:
    """An array that counts how often each row is read."""

    def __init__(self, array):
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.reads = np.zeros(len(array), int)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        self.reads[rows] += 1
        return self.array[rows]


def test_every_model_is_read_once(monkeypatch):
    monkeypatch.setitem(multiplicative_weights.TOGETHER, "cpu", 1)  # a learner for each target
    masks, margins, *_ = study()
    masks, margins = Counted(masks), Counted(margins)
    choosing = np.arange(400) % 10 == 9
    how = {"tolerance": 1e-6, "device": "cpu"}
    multiplicative_weights.fit(masks, margins, choosing, np.arange(5), **how)
    assert (masks.reads == 1).all()
    assert (margins.reads == 1).all()


def test_memory_does_not_grow_with_the_models():
    masks, margins, *_ = study(m=20)
    held = []

    def blocks():
        for _ in range(20):
            yield masks, margins
            tensors = [o for o in gc.get_objects() if type(o) is torch.Tensor]
            held.append(sum(tensor.nbytes for tensor in tensors))

    how = {"examples": 60, "targets": np.arange(5), "expected": 400}
    found = multiplicative_weights.stream(blocks(), [(masks, margins)], **how)
    assert found.n_models == 420
    assert held[1] > 4 * 8 * 5 * 60
    assert held[-1] == held[1]


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        ([], "held_out: 0 of 400 models would choose the norm"),
        (range(400), "margins: no model has finite margins"),
        (2.0, "held_out: 2.0 is not a share"),
    ],
)
def test_models_that_cannot_choose_are_named(held_out, words):
    masks, margins, *_ = study()
    with pytest.raises(UserError, match=words):
        fit(masks, margins, held_out=held_out)
    with pytest.raises(UserError, match="folds: multiplicative_weights goes through"):
        fit(masks, margins, folds=3)


def test_a_study_takes_it_without_folds(config):
    del config["preset"]
    config["datamodels"] = {"estimator": "multiplicative_weights"}
    assert Study.load(config).regression["estimator"] == "multiplicative_weights"
    config["datamodels"]["folds"] = 5
    with pytest.raises(UserError, match=r"datamodels\.folds: .* goes through the models once"):
        Study.load(config)
