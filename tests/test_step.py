"""A recorded step, on a recorder that needs no GPU: it runs the work again on the same tensors."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from modeldiff.study.components import Component
from modeldiff.training import Member, engine, optim, train
from modeldiff.training import step as steps
from modeldiff.training.light_optimizers import AdamW


class Again:
    """What a CUDA graph does, by running the work again."""

    def __init__(self):
        self.recorded = 0
        self.replayed = 0

    def aside(self):
        return nullcontext()

    def record(self, work):
        self.recorded += 1

        def replay():
            self.replayed += 1
            work()

        return replay


OPTIMIZERS = {
    "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    "adamw": {"lr": 0.01, "weight_decay": 0.01},
}


def logits(algorithm, data):
    """Of three models, one after another; each has 3 batches of 50 and one of 10 an epoch."""
    members = [Member(("step", m), np.arange(m, 1200, 7)[:160]) for m in range(3)]
    groups = train(algorithm, data.train, 10, members, width=1)
    return torch.cat([group.logits(data.test.images) for group in groups])


def learn(made, weights, steps):
    """Some steps of an optimizer, at a learning rate that falls, on fixed examples."""
    inputs = torch.linspace(-1, 1, 240).reshape(8, 10, 3)
    for i in steps:
        made.param_groups[0]["lr"] = 0.1 - 0.01 * i
        made.zero_grad()
        (inputs[i] @ weights).square().sum().backward()
        made.step()


@pytest.mark.parametrize(
    ("name", "options"),
    [*OPTIMIZERS.items(), ("sgd", OPTIMIZERS["sgd"] | {"momentum": 0.0, "nesterov": False})],
)
def test_light_optimizers_are_those_of_torch(name, options):
    start = torch.arange(12.0).reshape(3, 4)
    trained = []
    for scaled in (False, True):
        weights = start.clone().requires_grad_()
        parameters = [torch.ones(2, requires_grad=True), weights]  # the first has no gradient
        made = optim.optimizer(Component(name, options), parameters, scaled=scaled)
        assert isinstance(made, torch.optim.Optimizer) == scaled
        learn(made, weights, range(4))
        # A job that was cut short goes on, also one of an earlier version, which had torch's own.
        again = optim.optimizer(Component(name, options), parameters)
        again.load_state_dict(made.state_dict())
        learn(again, weights, range(4, 8))
        assert torch.equal(parameters[0], torch.ones(2))
        trained.append(weights.detach())
    assert torch.equal(*trained)
    assert not torch.equal(trained[0], start)


def test_without_decay_the_light_one_is_torchs_adam():
    trained = []
    for make in (torch.optim.Adam, partial(AdamW, weight_decay=0, fused=None)):
        weights = torch.arange(12.0).reshape(3, 4).requires_grad_()
        learn(make([weights], lr=0.1), weights, range(8))
        trained.append(weights.detach())
    assert torch.equal(*trained)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("ema", [None, 0.8])
def test_recorded_steps_train_the_same_models(study, data, monkeypatch, optimizer, ema):
    algorithm = replace(
        study.algorithms["plain"],
        model=Component("convnet", {"width": 4}),
        augment=[Component("flip", {})],
        optimizer=Component(optimizer, OPTIMIZERS[optimizer]),
        epochs=5,
        batch=50,
        ema=ema,
    )
    expected = logits(algorithm, data)
    again = Again()
    monkeypatch.setattr(engine, "recordable", lambda algorithm, device: True)
    monkeypatch.setattr(engine, "CudaGraphs", lambda: again)
    torch.testing.assert_close(logits(algorithm, data), expected, atol=1e-5, rtol=0)
    assert again.recorded == 2  # sizes of a batch
    assert again.replayed == 3 * 5 * 4 - 2 * steps.FIRST
    assert (expected[0] - expected[1]).abs().max() > 0.1


def test_what_reads_results_back_is_not_recorded(study):
    algorithm = study.algorithms["plain"]
    assert steps.recordable(algorithm, "cuda")
    assert not steps.recordable(algorithm, "cpu")
    assert not steps.recordable(replace(algorithm, precision="float16"), "cuda")
    own = Component("mine.py:net", {})
    assert not steps.recordable(replace(algorithm, model=own), "cuda")
    assert not steps.recordable(replace(algorithm, augment=[own]), "cuda")
