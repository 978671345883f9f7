"""`modeldiff run`: from an unpacked wheel, in a folder that has nothing but a config."""

import os
import subprocess
import sys
import zipfile

import pytest
import yaml
from conftest import EMBEDDED, small

from modeldiff.study.validation import parse

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory):
    """What a wheel of this checkout holds."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", folder]
    subprocess.run([*command, repository], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "package")
    return folder / "package"


@pytest.fixture(scope="module")
def call(installed, tmp_path_factory):
    """Run `modeldiff` of the wheel in an empty folder; its exit code, and what it says where.

    The virtual environment is not activated: its folder is not on the path.
    """
    folder = tmp_path_factory.mktemp("anywhere")

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "modeldiff", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(installed), "PATH": os.defpath},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def config(repository, call):
    content = small(parse(repository / EMBEDDED))
    path = call.folder / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return content


def test_a_study_runs_from_the_package_alone(config, call):
    code, output, error = call("run", "small.yaml", "--cores", "2")
    assert code == 0, error
    assert output.splitlines()[-1] == "report: results/small/report.html"
    assert (call.folder / "results/small/report.html").exists()
    assert "Shell command" not in output + error  # Snakemake's own words
    lines = output.splitlines()
    assert call("summary", "results/small")[1].splitlines() == lines
    assert call("summary", "results/small/summary.json")[1].splitlines() == lines
    assert call("summary", "small.yaml")[1].splitlines() == lines
    assert call("status", "small.yaml")[1] == call("status", "results/small")[1]


def test_further_options_are_snakemakes(config, call):
    code, output, error = call("run", "small.yaml", "-n", "--forcerun", "comparison")
    assert code == 0
    assert "Compare plain with masked" in output + error


def test_a_job_that_fails_is_a_line(config, call):
    own = {"study": "failing", "dataset": {"name": "bad_data:boom", "verification_share": 0.25}}
    (call.folder / "bad_data.py").write_text("def boom():\n    raise ValueError('no images')\n")
    (call.folder / "failing.yaml").write_text(yaml.safe_dump(config | own))
    code, _, error = call("run", "failing.yaml")
    assert code == 1
    last = error.splitlines()[-1]
    assert last.startswith("results/failing/logs/dataset.log: ")
    assert "no images" in last


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no.yaml"), ("study: 3", "no.yaml: dataset: is missing")],
)
def test_a_config_that_cannot_be_is_a_line(call, text, words):
    if text is not None:
        (call.folder / "no.yaml").write_text(text)
    code, output, error = call("run", "no.yaml")
    assert (code, output) == (1, "")
    assert words in error
    assert len(error.splitlines()) == 1
