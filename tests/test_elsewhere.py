"""Without a GPU: whatever a GPU computes lies on it, and is what the CPU computes."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(repository, room):
    command = [sys.executable, repository / "tests/elsewhere.py", room]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("room", ["training", "rooms", "datamodels"])
def test_another_device_computes_the_same(repository, room):
    done = run(repository, room)
    assert done.returncode == 0, done.stderr


def test_what_lies_on_two_devices_is_refused(repository):
    assert "aten.add.Tensor: of (2,) on the CPU, others not" in run(repository, "mixed").stderr
