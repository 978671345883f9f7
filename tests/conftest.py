"""A study small enough for tests, and its prepared data set."""

import json
import re

import pytest
import torch
from click.testing import CliRunner

from modeldiff import dataset
from modeldiff.cli import main
from modeldiff.dataset import Dataset
from modeldiff.study import Study
from modeldiff.study.validation import parse

torch.set_num_threads(1)  # as the rules do: jobs times threads never exceed the cores

EMBEDDED = "config/config.yaml"


def pytest_collection_modifyitems(items):
    """Files with slow tests first: at the end none is left that one process runs alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def repository(pytestconfig):
    return pytestconfig.rootpath


@pytest.fixture
def config(repository):
    """The embedded study's config, as plain data that a test may change."""
    return json.loads(json.dumps(parse(repository / EMBEDDED)))  # without YAML's shared nodes


def small(config: dict) -> dict:
    """The same study with few models and epochs, and nothing retrained or compared otherwise."""
    config["study"] = "small"
    config.pop("proof", None)
    config["verification"].pop("mine", None)
    config.pop("baselines", None)
    config["subsets"] = {"models": 120, "evaluation": {"subsets": 25, "repeats": 2}}
    config["training"] = {"shard": 30, "width": 15}
    config["comparison"]["permutations"] = 19
    config["verification"]["models"] = 4
    for algorithm in config["algorithms"].values():
        algorithm["epochs"] = 3
    return config


@pytest.fixture(scope="session")
def study(repository) -> Study:
    return Study.load(small(parse(repository / EMBEDDED)))


@pytest.fixture(scope="session")
def data(study, tmp_path_factory) -> Dataset:
    manifest = tmp_path_factory.mktemp("dataset") / "manifest.json"
    dataset.prepare(study, manifest)
    return dataset.read(manifest, study.key("dataset"))


@pytest.fixture(scope="session")
def ridge(repository):
    """The module of the document's example, which is what ridge regression here does."""
    text = (repository / "docs/attributions.md").read_text()
    return re.search(r"^```python\n(.*?)^```$", text, re.S | re.M)[1]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run `modeldiff` in a folder of its own; returns exit code, output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        ended = CliRunner().invoke(main, [str(w) for w in words])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended.exit_code, ended.stdout, ended.stderr

    return run
