"""A study whose parts are the user's own, in a folder of its own; tests change its files."""

import importlib
import os
import sys

import numpy as np
import pytest
from conftest import small

from modeldiff import dataset
from modeldiff.core import artifacts
from modeldiff.study import Study

MINE = """
import numpy as np
from torch import nn
from modeldiff.dataset import Images, Raw
from training_parts import step

def data():
    images = np.load("images.npy")
    labels = np.arange(len(images)) % 2
    return Raw(Images(images[:300], labels[:300]), Images(images[300:], labels[300:]), ("a", "b"))

def model(shape, classes, width=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))

def train(module, images, labels, seed):
    step(module)

def brighter(images, strength):
    return images

def prepared(images):
    return images

def estimator(masks, margins):
    raise NotImplementedError
"""
PARTS = "def step(module):\n    next(module.parameters()).data.add_(0.1)\n    return 0.1\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules of one's own and 400 images, in which everything is run."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    np.save("images.npy", images)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "training_parts.py").write_text(PARTS)
    yield tmp_path
    forget()


def forget():
    """As a process that has not imported them yet."""
    for name in ("mine", "training_parts"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def edit(path, old, new):
    """Change a file of the user's, so that it is imported anew."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**10))  # whatever the clock's steps are
    forget()


@pytest.fixture
def own(config, folder):
    """A config whose every part that can be is one's own; algorithm `plain` has none but data."""
    config = small(config)
    config["dataset"] = {"name": "mine:data"}
    mine = config["algorithms"]["masked"]
    config["algorithms"]["masked"] = {
        "model": {"name": "mine:model"},
        "train": {"name": "mine:train"},
        "preprocess": mine["preprocess"],
    }
    config["subsets"]["models"] = 120
    feature = {"name": "mine:brighter", "class": "a", "strengths": [1, 2, 3]}
    config["verification"]["transformations"] = {"brighter": feature}
    forget()
    return config


def started(own):
    """A study whose run has begun: its folder has what Snakemake writes at the start."""
    study = Study.load(own)
    study.write(f"{study.folder}/study.json")
    dataset.prepare(study, f"{study.folder}/dataset/manifest.json")
    return study


def shard(study, name, models):
    """A shard that says it was trained for the study and its prepared data."""
    manifest = f"{study.folder}/dataset/manifest.json"
    path = f"{study.folder}/{name}/shards/{models.start}-{models.stop}.npy"
    facts = {"models": [models.start, models.stop], "failed": {}, "margin": "max"}
    facts["data"] = dataset.digest(manifest)
    with artifacts.write(path, study.key("training", name), **facts) as file:
        np.save(file, np.zeros((len(models), 3), np.float32))
    return path
