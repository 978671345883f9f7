"""Every config that comes with the project is a study that Snakemake can plan."""

import subprocess
import sys
from pathlib import Path

import pytest

from modeldiff.jobs.sharding import cut
from modeldiff.study import Study

pytestmark = pytest.mark.slow

CONFIGS = sorted((Path(__file__).parents[1] / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_config_can_be_planned(path, repository, tmp_path):
    study = Study.read(path)
    command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile", "--dry-run"]
    command += ["--directory", tmp_path, "--configfile", path, "--quiet", "rules"]
    command += ["--workflow-profile", repository / "profiles/default"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    jobs = sum(len(list(cut(study, "training", (a,), tmp_path))) for a in study.algorithms)
    assert f"train {jobs} " in " ".join(ended.stdout.split()) + " "
