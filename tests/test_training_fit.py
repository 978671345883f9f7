"""The training loop against plain PyTorch: averages, precision, memory format, compilation."""

import copy
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from modeldiff.core import artifacts, rng
from modeldiff.core.errors import UserError
from modeldiff.dataset import as_float
from modeldiff.study import Algorithm, Study
from modeldiff.study.components import Component
from modeldiff.training import Member, engine, nets, train, train_shard, trained_models
from modeldiff.training.models import MODELS


@pytest.fixture
def recipe(study) -> Algorithm:
    """A convolutional net, for two epochs of 3 batches of 50 and a short one of 10."""
    return replace(
        study.algorithms["plain"],
        model=Component("convnet", {"width": 4}),
        optimizer=Component(
            "sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
        ),
        epochs=2,
        batch=50,
    )


def members(n):
    return [Member(("fit", m), np.arange(m, 1200, 7)[:160]) for m in range(n)]


def trained(algorithm, data, n, width=1, **options):
    """Logits of `n` models: float32 [n x test images x classes]."""
    groups = train(algorithm, data.train, 10, members(n), width=width, **options)
    return torch.cat([group.logits(data.test.images) for group in groups])


def by_hand(algorithm, data, member, average=None, cast=None):
    """One model by a plain loop: NCHW, no vmap, torch's own autocast and AveragedModel."""
    torch.manual_seed(rng.seed("weights", *member.identity))
    net = MODELS[algorithm.model.name]((1, 8, 8), 10, **algorithm.model.options)
    averaged = average and AveragedModel(
        net, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True
    )
    options = algorithm.optimizer.options
    optimizer = torch.optim.SGD(net.parameters(), **options)
    images, labels = torch.from_numpy(as_float(data.train.images)), data.train.labels
    steps = [
        batch
        for epoch in range(algorithm.epochs)
        for batch in np.split(
            member.examples[rng.permutation(160, "order", *member.identity, epoch)],
            range(50, 160, 50),
        )
    ]
    for step, batch in enumerate(steps):
        done = step / len(steps)
        rate = done / 0.2 if done < 0.2 else (1 - done) / 0.8
        optimizer.param_groups[0]["lr"] = options["lr"] * rate
        optimizer.zero_grad()
        with torch.autocast("cpu", cast, enabled=cast is not None):
            logits = net(images[batch])
        cross_entropy(logits.float(), torch.from_numpy(labels[batch])).backward()
        optimizer.step()
        if averaged:
            averaged.update_parameters(net)
    with torch.inference_mode():
        net = averaged.module if averaged else net
        return net.eval()(torch.from_numpy(as_float(data.test.images)))


@pytest.mark.parametrize("width", [1, 2])
def test_a_convolutional_net_equals_a_plain_loop(recipe, data, width):
    logits = trained(recipe, data, 2, width)
    for model, member in enumerate(members(2)):
        expected = by_hand(recipe, data, member)
        torch.testing.assert_close(logits[model], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [1, 2])
def test_the_average_of_weights_is_torchs(recipe, data, width):
    logits = trained(replace(recipe, ema=0.8), data, 2, width)
    for model, member in enumerate(members(2)):
        expected = by_hand(recipe, data, member, average=0.8)
        torch.testing.assert_close(logits[model], expected, atol=1e-4, rtol=0)
        assert (expected - by_hand(recipe, data, member)).abs().max() > 0.01


def net_with_statistics(shape, classes):
    layers = nn.Conv2d(shape[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4 * 36, classes))


def test_batch_statistics_are_averaged_like_the_weights(recipe, data, monkeypatch):
    monkeypatch.setitem(MODELS, "with_statistics", net_with_statistics)
    algorithm = replace(recipe, model=Component("with_statistics", {}), ema=0.7)
    expected = by_hand(algorithm, data, members(1)[0], average=0.7)
    torch.testing.assert_close(trained(algorithm, data, 1)[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_alone_leaves_nothing_to_the_next(recipe, data, monkeypatch, compiled):
    """Batch statistics, momentum and averages start anew in a module that is used again."""
    monkeypatch.setitem(MODELS, "with_statistics", net_with_statistics)
    monkeypatch.setattr(nets, "BACKEND", "eager")
    algorithm = replace(recipe, model=Component("with_statistics", {}), ema=0.7)
    both = trained(algorithm, data, 2, compiled=compiled)
    (last,) = train(algorithm, data.train, 10, members(2)[1:], width=1, compiled=compiled)
    torch.testing.assert_close(last.logits(data.test.images)[0], both[1], rtol=0, atol=0)


def test_bfloat16_computes_in_it_and_keeps_float32(recipe, data):
    seen = Counter()

    def spy(module, images, out):
        if isinstance(module, nn.Conv2d):
            seen[module.weight.dtype, out.dtype, module.training] += 1

    # Autocast does not reach into vmap: such models train one after another at any width.
    with register_module_forward_hook(spy):
        logits = trained(replace(recipe, precision="bfloat16"), data, 2, width=2)
    f32, bf16 = torch.float32, torch.bfloat16
    assert set(seen) == {(f32, bf16, True), (f32, f32, False)}  # in training, in use
    for model, member in enumerate(members(2)):
        half = by_hand(recipe, data, member, cast=bf16)
        whole = by_hand(recipe, data, member)
        noise = (half - whole).abs().mean()  # of 8 bits; two layouts of memory round differently
        assert noise > 1e-4
        assert (logits[model] - half).abs().mean() < 2 * noise


def test_float16_needs_a_gpu(recipe, data):
    algorithm = replace(recipe, precision="float16")
    with pytest.raises(UserError, match=r"float16 needs a GPU .* on a CPU use bfloat16"):
        trained(algorithm, data, 1)


def test_float16_on_the_cpu_is_refused_before_anything_runs(config):
    config["algorithms"]["plain"]["precision"] = "float16"
    with pytest.raises(UserError, match=r"algorithms\.plain\.precision: is float16.*gpu"):
        Study.load(config)
    Study.load(config | {"training": {"gpu": 1}})


def test_a_compiled_module_is_reused_and_changes_no_model(recipe, data, monkeypatch):
    """Traced and run by torch's own kernels: what a C++ or GPU compiler makes of it is torch's."""
    traced = []

    def backend(graph, inputs):
        traced.append([tuple(each.shape) for each in inputs if each.ndim == 4])
        return graph

    torch.compiler.reset()
    monkeypatch.setattr(nets, "BACKEND", backend)
    compiled = trained(recipe, data, 3, compiled=True)
    torch.testing.assert_close(compiled, trained(recipe, data, 3), atol=1e-5, rtol=0)
    images = sorted(shape for shapes in traced for shape in shapes if shape[1:] == (1, 8, 8))
    assert images == [(10, 1, 8, 8), (50, 1, 8, 8)]  # once per shape, not per model


class Initialised(nn.Sequential):
    seen: ClassVar[list[torch.Tensor]] = []

    def initialise(self, images):
        self.seen.append(images)


def test_a_module_computes_first_weights_from_its_own_first_batch(recipe, data, monkeypatch):
    make = MODELS["convnet"]
    monkeypatch.setitem(MODELS, "convnet", lambda *args, **kw: Initialised(*make(*args, **kw)))
    monkeypatch.setattr(Initialised, "seen", [])
    normalise = Component("normalise", {"mean": [0.5], "sd": [0.1]})
    plain = replace(recipe, preprocess=(normalise,))
    for algorithm in (plain, replace(plain, augment=(Component("flip", {}),))):
        trained(algorithm, data, 2, width=2)
    images = (torch.from_numpy(as_float(data.train.images)) - 0.5) / 0.1
    for seen, member in zip(Initialised.seen, members(2) * 2, strict=True):
        order = rng.permutation(160, "order", *member.identity, 0)
        torch.testing.assert_close(seen, images[member.examples[order[:50]]])


def test_built_in_models_train_channels_last_and_own_ones_as_they_are(recipe, data, monkeypatch):
    strides = set()

    def spied(shape, classes):
        net = MODELS["convnet"](shape, classes, width=4)
        net[0].register_forward_pre_hook(lambda layer, _: strides.add(layer.weight.stride(1)))
        return net

    monkeypatch.setitem(MODELS, "spied", spied)
    plain = trained(recipe, data, 1)
    (group,) = train(
        replace(recipe, model=Component("own:grouping_net", {})),
        data.train,
        10,
        members(1),
        width=1,
    )
    assert group.logits(data.test.images).isfinite().all()  # it views: only plain strides will do
    last = trained(replace(recipe, model=Component("spied", {})), data, 1)
    torch.testing.assert_close(last, plain)
    assert strides == {1}


def test_dropout_is_drawn_for_the_model_alone(recipe, data, monkeypatch):
    def dropping(shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, classes))

    monkeypatch.setitem(MODELS, "dropping", dropping)
    algorithm = replace(recipe, model=Component("dropping", {}))
    before = torch.get_rng_state()
    three = trained(algorithm, data, 3, width=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    (last,) = train(algorithm, data.train, 10, members(3)[2:], width=1)
    torch.testing.assert_close(last.logits(data.test.images)[0], three[2], rtol=0, atol=0)


class Full:
    """A device on which no more than `most` models fit at once."""

    def __init__(self, monkeypatch, most):
        self.tried, self.most, self.fit = [], most, engine.fit
        monkeypatch.setattr(engine, "fit", self)

    def __call__(self, step, loader, n_train, group, *rest):
        self.tried.append(len(group))
        if len(group) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.fit(step, loader, n_train, group, *rest)


def test_out_of_memory_halves_the_width_and_changes_no_model(
    study, data, tmp_path, monkeypatch, capsys
):
    def shard(name):
        train_shard(study, "plain", data, range(20), tmp_path / name, device="cpu")
        return np.load(tmp_path / name), artifacts.record(tmp_path / name)

    expected, record = shard("whole.npy")
    assert record["trained_at_once"] == {"15": 1, "5": 1}
    device = Full(monkeypatch, 4)
    rows, record = shard("full.npy")
    assert device.tried == [15, 7, 3, 3, 3, 3, 3, 3, 2]
    assert record["trained_at_once"] == {"3": 6, "2": 1}
    assert "out of memory: continuing with 7 at once" in capsys.readouterr().err
    assert np.abs(rows - expected).max() < 1e-4


def test_a_single_model_that_does_not_fit_is_one_line(study, data, tmp_path, monkeypatch):
    Full(monkeypatch, 0)
    with pytest.raises(
        UserError, match=r"model mlp: a batch of 50 does not fit .* smaller `batch`"
    ):
        train_shard(study, "plain", data, range(20), tmp_path / "none.npy", device="cpu")
    assert not list(tmp_path.iterdir())


def test_images_are_predicted_some_at_a_time(recipe, data, monkeypatch):
    (group,) = train(recipe, data.train, 10, members(2), width=2)
    at_once = group.logits(data.test.images)
    monkeypatch.setitem(trained_models.PREDICT, "cpu", 64 * 2 * 100)
    torch.testing.assert_close(group.logits(data.test.images), at_once, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ema": 1.0}, r"algorithms\.plain\.ema: is 1\.0; must be less than 1"),
        ({"precision": "half"}, r"precision: is 'half'; must be float32 or bfloat16 or float16"),
        (
            {"augment": [{"name": "random_resized_crop", "size": 0}]},
            r"size: is 0; must be at least 1",
        ),
        ({"preprocess": [{"name": "centre_crop"}]}, r"preprocess\.0\.size: is missing"),
    ],
)
def test_a_wrong_setting_is_named(config, change, words):
    config["algorithms"]["plain"] |= copy.deepcopy(change)
    with pytest.raises(UserError, match=words):
        Study.load(config)
