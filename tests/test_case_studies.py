"""Every config of a case study, from its data's published layout to its report.

Those called `-reduced` are the same but for the sizes that are cut here; they are planned only
(tests/test_configs.py).

The data are tiny pictures in that layout. Cut is what costs time: the number of models and of
directions, epochs, and the size of pictures. The nets, of which so many take minutes on a CPU,
stand aside for the smallest, with a learning rate for these, and so does bfloat16, which few CPUs
have (tests/test_models.py trains with all of them). All else is as the config says:
algorithms, augmentations, preprocessing, pairs, transformations and their strengths. What runs are
the commands of Snakemake's rules, as a dry run prints them, one after another in this process.
"""

import hashlib
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

import layouts
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner

from modeldiff.cli import main
from modeldiff.core.vision import torchvision
from modeldiff.study import Study, sizes
from modeldiff.study.validation import parse
from modeldiff.training.models import convnet

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[1] / "config"
STUDIES = ("sgd", "augmentation", "pretraining")
NAMES = []
for path in sorted(CONFIGS.glob("*.yaml")):
    words = set(path.stem.split("-"))
    if words & set(STUDIES) and "reduced" not in words:
        NAMES.append(path.stem)
NAMES.append("cifar10-mini")  # with its own net
ROOMS = "dataset beton subsets train margins datamodels comparison predictions verification "
ROOMS += "gradients proposals retrain proof mine removal report"


def cut(name: str, folder: Path) -> dict:
    """The config, small, on data that are made in `folder`."""
    config = json.loads(json.dumps(parse(CONFIGS / f"{name}.yaml")))
    config["dataset"] |= made(config["dataset"], folder / "data")
    config["subsets"] |= {"models": 110, "evaluation": {"subsets": 25, "repeats": 2}}
    config["training"] = {"shard": 110, "width": 55}
    config["comparison"] |= {"directions": 3, "examples": 5}
    config["verification"]["models"] = 4
    if "proof" in config:
        config["proof"] = {"proposers": 2, "proposals": 1, "models": 2, "rounds": 1}
    if "mine" in config["verification"]:
        few = {"models": 2, "crops": 20, "steps": 2, "removal_models": 2}
        config["verification"] |= {"models": 7, "mine": few}
    for transformation in config["verification"]["transformations"].values():
        if "row" in transformation:
            transformation |= {"row": 3, "column": 5}  # within images that are this small
    if "path" in config.get("datamodels", {}):
        config["datamodels"]["path"] = 10
    pretrained = any("weights" in a["model"] for a in config["algorithms"].values())
    for algorithm in config["algorithms"].values():
        weights = "weights" in algorithm["model"]
        algorithm |= {"epochs": 14, "batch": 8, "precision": "float32"}
        algorithm["model"] = {"name": "mlp", "hidden": 16}
        algorithm["optimizer"]["lr"] = 0.02
        if pretrained or name == "cifar10-mini":
            algorithm |= {"epochs": 12, "batch": 5}
            algorithm["optimizer"]["lr"] = 0.02
            algorithm["model"] = {"name": "convnet", "width": 8}
        if weights:
            algorithm["model"]["weights"] = random_weights(folder / "weights.pt")
    return config


def made(dataset: dict, folder: Path) -> dict:
    """Tiny data in the layout of a config's data set; what the config says of them now."""
    match dataset["name"]:
        case "living17":
            layouts.living17(folder, train=2, test=1)
            few = {"train_per_subclass": 2, "test_per_subclass": 1}
            return {"path": str(folder), "size": 16} | few
        case "waterbirds":
            return {"path": str(layouts.waterbirds(folder)), "size": 16, "complete": False}
        case "folder":
            classes = dataset.get("classes") or sizes.CIFAR10.split()
            layouts.folders(folder, classes, 16, 8, (40, 32))
            few = {"train_per_class": 16, "test_per_class": 8}
            return {"path": str(folder), "size": 16} | few
        case "cifar10":
            return {"path": str(folder)}  # its sizes are checked: see `cifar10`


def random_weights(path: Path) -> str:
    """A file like that of a pre-trained net with another last layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # else they depend on which tests ran before
        module = convnet((3, 16, 16), 100, width=8)
    torch.save(module.state_dict(), path)
    return str(path)


@pytest.fixture
def cifar10(monkeypatch, tmp_path):
    """CIFAR-10's files with 300 pictures; torchvision is told their checksums."""
    torchvision()
    from torchvision.datasets import CIFAR10

    rng, checksums = np.random.default_rng(0), {}
    classes = sizes.CIFAR10.split()
    tints = np.array(layouts.TINTS[:10])[:, :, None]
    folder = tmp_path / "data" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    contents = {"batches.meta": {"label_names": classes}}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        labels = np.arange(50) % 10
        pixels = rng.integers(0, 50, (50, 3, 1024)) + tints[labels]
        contents[name] = {"data": pixels.astype(np.uint8).reshape(50, -1), "labels": list(labels)}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        checksums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    lists = {"train_list": CIFAR10.train_list, "test_list": CIFAR10.test_list}
    for which, files in lists.items():
        monkeypatch.setattr(CIFAR10, which, [[name, checksums[name]] for name, _ in files])
    monkeypatch.setitem(CIFAR10.meta, "md5", checksums["batches.meta"])


def commands(repository: Path, folder: Path, config: dict) -> list[list[str]]:
    """Arguments of all commands of the rules, in the order of the rooms."""
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile", "--dry-run"]
    command += ["--directory", folder, "--configfile", folder / "study.yaml"]
    command += ["--workflow-profile", repository / "profiles/default"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found = re.findall(r"^ *Shell command: .*python -m modeldiff (.*) &> ", ended.stdout, re.M)
    return sorted(map(shlex.split, found), key=lambda words: ROOMS.split().index(words[0]))


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.parametrize("name", NAMES)
def test_a_case_study_runs_to_its_report(name, repository, tmp_path, monkeypatch, request):
    config = cut(name, tmp_path)
    if config["dataset"]["name"] == "cifar10":
        request.getfixturevalue("cifar10")
    monkeypatch.chdir(tmp_path)
    if name == "cifar10-pretraining":
        os.symlink(repository / "config", tmp_path / "config")
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
        weights = config["algorithms"]["pretrained"]["model"]["weights"]
        layouts.folders(tmp_path / "data", ("bird", "ship"), 10, 5, (40, 32))
        run("pretrain", "study.yaml", "scratch", "--classes", "bird,ship", "--output", weights)
    todo = commands(repository, tmp_path, config)
    study = Study.load(config)  # with the weights that are there now
    study.write("results/" + study.name + "/study.json")
    for arguments in todo:
        run(*arguments)
    check(study)


def check(study: Study) -> None:
    """What a finished study must hold."""
    folder = Path(study.folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["algorithms"]) == set(study.compared)
    for algorithm in summary["algorithms"].values():
        assert algorithm["models"] == 110
        assert algorithm["failed"] < 20
    a, b = study.pairs[0]
    table = pd.read_csv(folder / f"{a}-vs-{b}/effects.csv")
    assert set(table.algorithm) == set(study.algorithms)
    of = {(e["transformation"], e["algorithm"], e["strength"]) for e in summary["effects"]}
    assert of == {
        (label, name, strength)
        for label, transformation in study.transformations.items()
        for name in study.algorithms
        for strength in transformation.strengths
    }
    page = (folder / "report.html").read_text()
    assert all(name in page for name in study.algorithms)
    others = set(study.algorithms) - set(study.compared)
    assert not any((folder / name / "shards").exists() for name in others)
