"""The script that measures everything on a GPU, at a thousandth of the size on the CPU."""

import json
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PARTS = ["alike", "speed", "proof", "sgd", "regression", "memory"]


def test_every_part_runs_and_fills_its_table(repository, tmp_path):
    script = [sys.executable, repository / "benchmarks/gpu.py"]
    out = tmp_path / "out"
    command = [*script, "run", out, "45", "--tiny", "--work", tmp_path / "work"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    measured = {name: json.loads((out / f"{name}.json").read_text()) for name in PARTS}
    assert all(part["done"] for part in measured.values())
    assert all(row["difference"] == 0 for row in measured["alike"]["rows"])
    free, full = measured["memory"]["rows"]
    assert free["trained_at_once"] == {"16": 1}
    assert full["trained_at_once"] == {"4": 4}
    assert full["difference"] < 1e-4
    assert measured["regression"]["rows"][-1]["gap"] < 1e-4
    assert len(measured["proof"]["rows"][-1]["proofs"]) == 2

    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert again.stdout == ""  # nothing is left to do

    page = tmp_path / "gpu.md"
    shutil.copy(repository / "docs/gpu.md", page)
    subprocess.run([*script, "tables", out, "--page", page], check=True)
    for name in PARTS:
        table = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page.read_text(), re.S)[1]
        assert "| airbench |" in table if name == "speed" else "| " in table
        assert "H200" not in table
