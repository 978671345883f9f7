"""Each job its own GPU, whatever happens to the others; and no more threads than it was given."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from modeldiff.core import devices
from modeldiff.core.errors import UserError

HOLD = """
import sys
from pathlib import Path
from modeldiff.core import devices
devices.LOOK = 0.02
print(devices.lease(sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path):
    """Starts a process that leases one of the fake devices it is told of, and holds it."""
    started = []

    def start(*names):
        command = [sys.executable, "-c", HOLD, tmp_path / "locks", *names]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, **pipes, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def holds(process):
    return int(process.stdout.readline())


def test_each_job_has_its_own_gpu_and_a_killed_one_gives_its_back(job):
    jobs = [job("GPU-a", "GPU-b", "GPU-c") for _ in range(3)]
    held = [holds(each) for each in jobs]
    assert sorted(held) == [0, 1, 2]
    late = job("GPU-a", "GPU-b", "GPU-c")
    assert late.stderr.readline() == "modeldiff: all 3 GPUs are in use: waiting for one\n"
    assert late.poll() is None
    jobs[1].send_signal(signal.SIGKILL)
    assert holds(late) == held[1]


def test_a_gpu_is_the_same_by_whatever_number_a_job_sees_it(job):
    """One job sees GPUs a and b, the other b and c: numbers differ, locks are by UUID."""
    assert holds(job("GPU-a", "GPU-b")) == 0
    assert holds(job("GPU-b", "GPU-c")) == 0
    assert holds(job("GPU-a", "GPU-b", "GPU-c")) == 2


class Properties:
    def __init__(self, number):
        self.uuid = f"GPU-{number}"


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Pretends that so many GPUs are visible; returns what was set as the current one."""
    chosen = []

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
        monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
        monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        return chosen

    return pretend


def test_a_process_takes_the_first_free_of_all_visible_gpus(gpus, job, tmp_path):
    chosen = gpus(4)
    assert [devices.claim(1, 1), devices.claim(1, 1)] == ["cuda", "cuda"]
    assert chosen == [0, 1]


def test_what_slurm_has_bound_to_the_job_is_not_asked_for_again(gpus, monkeypatch):
    chosen = gpus(1)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert [devices.claim(1, 1), devices.claim(1, 1)] == ["cuda", "cuda"]  # else it would wait
    assert chosen == []


def test_several_gpus_of_one_slurm_job_are_shared_out(gpus, monkeypatch):
    chosen = gpus(2)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    devices.claim(1, 1)
    devices.claim(1, 1)
    assert chosen == [0, 1]


def test_no_gpu_is_one_line(gpus):
    gpus(0)
    with pytest.raises(UserError, match="no GPU is visible to torch here"):
        devices.claim(1, 1)


THREADS = """
import json, sys, time
import numpy
from modeldiff.core import devices
assert devices.claim(0, int(sys.argv[1])) == "cpu"
import scipy.linalg, threadpoolctl, torch
pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
a, t, cpu, wall = numpy.ones((1500, 1500)), torch.ones(1500, 1500), time.process_time(), time.time()
for _ in range(4):
    a @ a, t @ t, scipy.linalg.blas.dgemm(1.0, a, a)
used = (time.process_time() - cpu) / (time.time() - wall)
print(json.dumps([torch.get_num_threads(), pools, used]))
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core: nothing to exceed")
def test_a_job_computes_on_no_more_threads_than_it_was_given():
    """By NumPy, SciPy and torch, although the environment says nothing."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", THREADS, "1"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    threads, pools, cores = json.loads(out.stdout)
    assert threads == 1
    assert len(pools) >= 2
    assert set(pools) == {1}
    assert cores < 1.2
