"""One set of versions: constraints, conda environments and pyproject do not drift apart."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

CONDA_NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    "snakemake-minimal": "snakemake",
}


@pytest.fixture
def pins(repository):
    lines = (repository / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.fixture
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def declared(project):
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    every = [Requirement(text) for entries in lists for text in entries]
    return [one for one in every if one.name != project["name"]]  # an extra that takes another in


def test_every_declared_package_is_pinned_within_its_range(project, pins):
    for requirement in declared(project):
        assert requirement.name in pins, requirement
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_conda_environments_hold_the_pinned_versions(repository, project, pins):
    environments = list((repository / "envs").glob("*.yaml"))
    assert environments
    for path in environments:
        entries = yaml.safe_load(path.read_text())["dependencies"]
        plain = [e for e in entries if isinstance(e, str)]
        pip = [p for e in entries if isinstance(e, dict) for p in e["pip"]]
        versions = dict(re.split(r" ?=+", entry) for entry in plain + pip)
        assert versions.pop("python") == "3.11"
        versions.pop("pip", None)
        for name, version in versions.items():
            assert pins[CONDA_NAMES.get(name, name)] == version, (path, name)
    names = {CONDA_NAMES.get(re.split(r" ?=", e)[0], re.split(r" ?=", e)[0]) for e in plain}
    assert {Requirement(d).name for d in project["dependencies"]} <= names


def test_every_rule_names_an_environment_that_exists(repository):
    for path in (repository / "rules").glob("*.smk"):
        text = path.read_text()
        named = re.findall(r'conda:\n\s+"\.\./(envs/\S+)"', text)
        assert len(named) == len(re.findall(r"^(?:rule|checkpoint) ", text, re.M)), path
        assert all((repository / name).exists() for name in named)


def test_the_apptainer_image_is_made_from_the_pins(repository):
    text = (repository / "envs/modeldiff.def").read_text()
    parts = re.split(r"^%(\w+)\n", text, flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert re.search(r"^From: python:3\.11-", parts[0], re.M)
    for line in sections["files"].split("\n"):
        assert not line or (repository / line.split()[0]).exists(), line
    installs = re.findall(r"pip install .*", sections["post"])
    assert len(installs) == 2
    assert all("constraints.txt" in line for line in installs)


def test_commits_are_checked_by_the_pinned_versions(repository, pins):
    config = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())
    hooks = [hook for source in config["repos"] for hook in source["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "snakefmt", "codespell"}
    for hook in hooks:
        for name, version in (text.split("==") for text in hook["additional_dependencies"]):
            assert pins[name] == version, hook["id"]
