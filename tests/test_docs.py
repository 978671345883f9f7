"""The documents do what they say: the tutorial is followed, the reference is current."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import report_studies
import yaml
from click.testing import CliRunner

from modeldiff import report
from modeldiff.cli import PEOPLE, main

FENCED = re.compile(r'^```(\w+)(?: title="(\S+)")?\n(.*?)^```$', re.S | re.M)


@pytest.fixture
def checkout(repository, tmp_path):
    """A folder like a fresh checkout, in which a reader may write."""
    for entry in ("Snakefile", "rules", "envs", "profiles", "modeldiff"):
        (tmp_path / entry).symlink_to(repository / entry)
    (tmp_path / "config").mkdir()
    for path in (repository / "config").iterdir():
        (tmp_path / "config" / path.name).symlink_to(path)
    return tmp_path


def follow(text: str, folder: Path, run: Callable[[str, Path], None] | None = None) -> None:
    """Do what a reader does: write the named files, edit configs, run the commands, in order.

    run: what is done with a command, if not just that.
    """
    blocks = FENCED.findall(text)
    assert blocks
    for language, file, text in blocks:
        if language == "yaml":
            edit(folder / file, text)
        elif file:
            (folder / file).write_text(text)
        elif language == "sh":
            (run or shell)(text, folder)


def shell(text: str, folder: Path) -> None:
    """Run commands as a reader does."""
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
    command = ["bash", "-eu", "-c", text]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"


def in_this_process(text: str, folder: Path) -> None:
    """Run commands, but make the results of a study here: each job of Snakemake's takes seconds to
    start.
    """
    if not text.startswith("modeldiff run "):
        return shell(text, folder)
    config = yaml.safe_load((folder / text.split()[2]).read_text())
    made = report_studies.build(config, folder / "results")
    report.write(made)


def edit(config: Path, shown: str) -> None:
    """Put the parts that a document shows in place of those of the same names, if there are any."""
    before = yaml.safe_load(config.read_text()) if config.exists() else {}
    parts = before | yaml.safe_load(shown)
    config.write_text(yaml.safe_dump(parts))


@pytest.mark.slow
def test_a_reader_of_the_tutorial_gets_the_report(repository, checkout):
    follow((repository / "docs/tutorial.md").read_text(), checkout)
    summary = json.loads((checkout / "results/mine/summary.json").read_text())
    assert summary["algorithms"].keys() == {"first", "second"}
    assert summary["algorithms"]["first"]["models"] == 150
    moved = {
        row["algorithm"]: row
        for row in summary["effects"]
        if row["transformation"] == "corner" and row["strength"] == 1
    }
    assert moved["first"]["low"] > moved["second"]["high"]  # `second` cannot see the corner
    assert (checkout / "results/mine/report.html").exists()
    assert (checkout / "compared/comparison.html").exists()


@pytest.mark.slow
def test_a_reader_with_a_table_gets_a_page_about_rows(repository, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    text = (repository / "docs/tables-and-texts.md").read_text()
    follow(text.partition("\n## Texts\n")[0], checkout, run=in_this_process)
    page = (checkout / "results/patients/report.html").read_text()
    assert "the same 427 training rows of 2 classes" in page
    assert "training image" not in page.partition("<script")[0]


@pytest.mark.slow
def test_a_reader_with_texts_sees_the_word_that_only_one_recipe_reads(
    repository, checkout, monkeypatch
):
    monkeypatch.chdir(checkout)
    text = (repository / "docs/tables-and-texts.md").read_text()
    follow(text.partition("\n## Texts\n")[2], checkout, run=in_this_process)
    folder = checkout / "results/reviews"
    made = (folder / "summary.json").read_bytes()
    for last in ("all-words-vs-keywords/occlusion.npz", "summary.json", "report.html"):
        (folder / last).unlink()
    shell("modeldiff run config/reviews.yaml", checkout)  # what is missing, by Snakemake
    assert (folder / "summary.json").read_bytes() == made
    summary = json.loads(made)
    strongest = [row for row in summary["effects"] if row["strength"] == 3]
    moved = {row["algorithm"]: row["effect"] for row in strongest}
    assert round(100 * moved["all-words"]) == 24  # as the document says
    assert moved["keywords"] == 0
    shown = [entry for entry in summary["marks"] if entry["split"] == "train"]
    marked = [piece["word"] for entry in shown for piece in entry["marked"]]
    assert marked.count("not") >= 10


@pytest.mark.slow
def test_a_reader_with_two_checkpoints_gets_a_page_and_a_study(repository, tmp_path):
    follow((repository / "docs/checkpoints.md").read_text(), tmp_path)
    assert "Nothing is proved" in (tmp_path / "page.html").read_text()
    group = (tmp_path / "proof/proposal-1.csv").read_text().splitlines()
    planted = {f"train,{example}" for example in range(12)}  # the first that are no "3"
    assert len(planted & set(group)) >= 10


def documents(repository):
    """The text of everything that a user reads, by its path."""
    paths = [repository / "README.md", repository / "CONTRIBUTING.md"]
    for folder in ("docs", "config", "examples"):
        paths += (repository / folder).glob("*.md")
    return {path: path.read_text() for path in paths}


def test_every_command_that_is_named_exists_and_every_command_is_named(repository):
    named = {
        command: path.name
        for path, text in documents(repository).items()
        for command in re.findall(r"(?:^ *|\$ |`)modeldiff ([a-z][a-z-]*)", text, re.M)
    }
    assert not named.keys() - main.commands.keys(), named
    assert not {command.name for command in PEOPLE} - named.keys()


def test_every_link_leads_somewhere(repository):
    links = [
        (path, link)
        for path, text in documents(repository).items()
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
        if "://" not in link
    ]
    assert {path.parent for path, _ in links} >= {repository, repository / "docs"}
    lost = [(path.name, link) for path, link in links if not (path.parent / link).exists()]
    assert not lost


def test_completion_names_the_commands():
    words = {"COMP_WORDS": "modeldiff sta", "COMP_CWORD": "1"}
    environment = words | {"_MODELDIFF_COMPLETE": "bash_complete"}
    ended = CliRunner().invoke(main, [], env=environment, prog_name="modeldiff")
    assert ended.output == "plain,status\n"


def test_the_config_reference_and_the_schema_are_made_from_the_sections(repository):
    spec = importlib.util.spec_from_file_location("config_reference", repository / "docs/config.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    written = (repository / "docs/config.md").read_text(encoding="utf-8")
    assert written == made.page(), "the sections have changed: run `python docs/config.py`"
    schema = (repository / "config/schema.json").read_text(encoding="utf-8")
    assert schema == made.schema_file(), "the sections have changed: run `python docs/config.py`"
    for key in ("`dataset.name`", "`algorithms.<name>.optimizer.lr`", "`comparison.pairs`"):
        assert f"| {key} |" in written


def test_the_citation_and_the_catalog_file_are_of_this_package(repository):
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    catalog = yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text())
    assert catalog["usage"]["software-stack-deployment"] == {"conda": True}
