"""FFCV gives what the resident loader gives: the same examples, in our order, and the same models.

Orders and subsets by `indices` have gone wrong in FFCV before (its issues 90, 140 and 208).
"""

import errno
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from modeldiff import training
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images
from modeldiff.study import Algorithm, Study
from modeldiff.study.components import Component
from modeldiff.training import Member
from modeldiff.training.loaders import InMemoryLoader

pytest.importorskip("ffcv", reason="FFCV is not installed here")
from modeldiff.training import ffcv

pytestmark = pytest.mark.slow

N = 250


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (N, 3, 4, 4), np.uint8).repeat(8, 2).repeat(8, 3)
    return Images(smooth, rng.integers(0, 3, N))


@pytest.fixture(scope="module")
def raw(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("beton") / "train.beton"
    ffcv.write(data.images, data.labels, path, "key", None)
    return data._replace(beton=path)


def orders(models, n, seed=0):
    """Each model's own examples, in an order of its own; models share many."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([rng.permutation(N)[:n] for _ in range(models)]))


def test_both_loaders_give_the_same_examples(data, raw):
    half = lambda images: images / 2  # noqa: E731
    ours, theirs = InMemoryLoader(data, half, "cpu"), ffcv.Ffcv(raw, half, "cpu")
    for epoch, (models, n, batch) in enumerate([(2, 90, 40), (2, 90, 40), (1, N, 64), (3, 7, 9)]):
        rows, count = orders(models, n, epoch), 0
        for a, b in zip(ours.epoch(rows, batch), theirs.epoch(rows, batch), strict=True):
            assert all(torch.equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))
            assert b.images.is_contiguous()  # else convolutions round in another way
            count += b.rows.shape[1]
        assert count == n


def test_an_epoch_that_is_left_halfway_leaves_nothing_behind(data, raw):
    loader = ffcv.Ffcv(raw, None, "cpu")
    rows = orders(1, 200)
    next(iter(loader.epoch(rows, 10)))
    again = torch.cat([batch.rows for batch in loader.epoch(rows, 10)], 1)
    assert torch.equal(again, rows)


def test_batches_stay_as_they_are_while_later_ones_are_read(data, raw):
    batches = list(ffcv.Ffcv(raw, None, "cpu").epoch(orders(1, N), 10))
    for batch in batches:
        expected = torch.from_numpy(data.images[batch.rows[0]]).float() / 255
        assert torch.equal(batch.images[0], expected)
        assert torch.equal(batch.labels[0], torch.from_numpy(data.labels)[batch.rows[0]])


AUGMENT = (Component("flip", {}), Component("cutout", {"size": 8}))


@pytest.mark.parametrize(
    ("model", "augment"),
    [
        ({"name": "convnet", "width": 4}, ()),
        ({"name": "convnet", "width": 4}, AUGMENT),
        ({"name": "airbench"}, AUGMENT),  # its first weights come from its first batch
    ],
)
def test_both_loaders_train_the_same_models(data, raw, model, augment, monkeypatch):
    algorithm = Algorithm.of(
        {
            "model": model,
            "preprocess": [{"name": "normalise", "mean": [0.5] * 3, "sd": [0.3] * 3}],
            "augment": [{"name": a.name, **a.options} for a in augment],
            "flip_average": False,
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
            "schedule": {"name": "triangular", "peak": 0.2},
            "epochs": 2,
            "batch": 30,
        }
    )
    members = [Member(("ffcv", m), rows.numpy()) for m, rows in enumerate(orders(3, 100))]
    library, compiled = ffcv.library(), []
    make = library.loader.Loader
    counting = lambda *args, **how: compiled.append(1) or make(*args, **how)  # noqa: E731
    monkeypatch.setattr(library.loader, "Loader", counting)
    both = (training.train(algorithm, d, 3, members, width=2) for d in (data, raw))
    for a, b in zip(*both, strict=True):
        for name in a.state:
            assert torch.equal(a.state[name], b.state[name]), name
    assert len(compiled) == (1 if model["name"] == "airbench" else 2)  # one for each width


def test_compressed_images_keep_their_order(data, tmp_path):
    path = tmp_path / "train.beton"
    ffcv.write(data.images, data.labels, path, "key", 90)
    loader = ffcv.Ffcv(data._replace(beton=path), None, "cpu")
    for batch in loader.epoch(orders(1, N), 50):
        expected = torch.from_numpy(data.images[batch.rows[0]]).float() / 255
        off = (batch.images[0] - expected).abs().mean((1, 2, 3))
        assert 0 < off.max() < 0.08  # any other image is about .33 away


def test_a_full_disk_ends_with_one_line_and_no_file(data, tmp_path, monkeypatch):
    from ffcv.memory_allocator import MemoryAllocator

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = set(Path("/dev/shm").glob("*"))
    monkeypatch.setattr(MemoryAllocator, "flush_page", full)
    with pytest.raises(UserError, match=r"train.beton: cannot be written: No space left on device"):
        ffcv.write(data.images, data.labels, tmp_path / "train.beton", "key", None)
    assert not list(tmp_path.iterdir())
    assert set(Path("/dev/shm").glob("*")) <= before


def test_one_channel_is_refused(tmp_path):
    images = np.zeros((2, 1, 8, 8), np.uint8)
    with pytest.raises(UserError, match="ffcv takes images of three channels, not 1"):
        ffcv.write(images, np.zeros(2), tmp_path / "train.beton", "key", None)


def test_a_missing_ffcv_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ffcv", None)
    with pytest.raises(UserError, match=r"pip install 'modeldiff\[ffcv\]'"):
        ffcv.library()


def test_what_is_trained_from_follows_from_the_config(config):
    def study(**training):
        return Study.load(config | {"training": training})

    assert study().beton is None  # digits: small
    assert study(loader="resident").key("training", "plain") == study().key("training", "plain")
    chosen = study(loader="ffcv")
    assert chosen.beton == chosen.key("beton")
    assert chosen.key("training", "plain") == study().key("training", "plain")
    compressed = study(loader="ffcv", jpeg=90)
    assert compressed.beton != chosen.beton
    assert compressed.key("training", "plain") != study().key("training", "plain")


def test_large_data_are_read_by_ffcv(config):
    config["dataset"] = {"name": "living17", "path": "data/imagenet"}
    config["verification"]["transformations"] = {}
    assert Study.load(config).beton
    few = {"train_per_subclass": 50, "test_per_subclass": 50}
    assert Study.load(config | {"dataset": config["dataset"] | few}).beton is None
