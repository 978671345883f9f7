"""Benchmarks are run by hand, now and then; that they still start is seen here."""

import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path.name for path in BENCHMARKS.glob("*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_still_starts(name, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    code = None
    try:
        runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
    except SystemExit as ended:  # argparse's, after its help
        code = ended.code
    assert not code


def test_there_are_benchmarks():
    assert len(SCRIPTS) >= 10
