"""Benchmarks are run by hand, now and then; that they still start is seen here."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def scripts(repository):
    return sorted((repository / "benchmarks").glob("*.py"))


def test_benchmarks_still_start(repository):
    for script in scripts(repository):
        command = [sys.executable, str(script), "--help"]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=repository)
        assert ended.returncode == 0, (script.name, ended.stderr)
    assert len(scripts(repository)) >= 10
