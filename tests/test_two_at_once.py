"""Two runs of one study are refused; two studies share a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import small

from modeldiff.study.validation import parse

pytestmark = pytest.mark.slow


def start(repository, folder, study, *wanted):
    config = json.loads(json.dumps(small(parse(repository / "config/config.yaml"))))
    (folder / f"{study}.yaml").write_text(yaml.safe_dump(config | {"study": study}))
    command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile", "--cores", "1"]
    command += ["--workflow-profile", repository / "profiles/default"]
    command += ["--configfile", f"{study}.yaml", "--", *(f"results/{study}/{w}" for w in wanted)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_same_study_is_refused_and_another_is_not(repository, tmp_path):
    first = start(repository, tmp_path, "one", "dataset/manifest.json")
    while not list(tmp_path.glob(".snakemake/locks/*")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)  # it holds its lock for as long as the others take
    try:
        same = start(repository, tmp_path, "one", "dataset/manifest.json")
        said, _ = same.communicate()
        assert same.returncode == 1
        assert "Directory cannot be locked" in said
        assert "--unlock" in said
        other = start(repository, tmp_path, "two", "dataset/manifest.json")
        said, _ = other.communicate()
        assert other.returncode == 0, said
    finally:
        first.send_signal(signal.SIGCONT)
    said, _ = first.communicate()
    assert first.returncode == 0, said
    assert (tmp_path / "results/one/dataset/manifest.json").exists()
    assert (tmp_path / "results/two/dataset/manifest.json").exists()
