"""The whole house on a real Slurm cluster, through every fault, to the summary of a local run.

Training asks Slurm for a GPU, a fake one here, and runs on the CPU.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import small

from modeldiff.study.validation import parse

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("cluster.sh")


class Cluster:
    """The one-machine cluster under `folder`."""

    def __init__(self, folder, *, accounting):
        self.folder = folder
        here = f"{folder / 'bin'}:{Path(sys.executable).parent}"
        if not accounting:  # as docs/slurm.md says
            here = f"{SCRIPT.parents[2] / 'profiles/slurm/bin'}:{here}"
        self.environment = os.environ | {"PATH": f"{here}:{os.environ['PATH']}"}

    def do(self, what, *more):
        subprocess.run([SCRIPT, what, self.folder, *more], check=True, stdin=subprocess.DEVNULL)

    def ask(self, *command):
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()


@contextmanager
def started(*, accounting):
    """A cluster while it runs; skips the test where there can be none."""
    wanted = ["munged", "slurmctld", "slurmd", "sbatch"]
    wanted += ["slurmdbd", "mariadbd"] if accounting else []
    missing = [p for p in wanted if not shutil.which(p)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: .ci/system-packages installs Slurm as root")
    if os.geteuid() != 0:
        pytest.skip("only root may start a Slurm cluster here")
    if not socket.gethostbyname(socket.gethostname()).startswith("127."):
        pytest.skip("the host name is no loopback address: the cluster would be open to others")
    # Not pytest's own folder: it is closed to others, which munge refuses.
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), accounting=accounting)
        try:
            cluster.do("start", *(["accounting"] if accounting else []))
            yield cluster
        finally:
            cluster.do("stop")


@pytest.fixture(scope="module")
def cluster():
    with started(accounting=False) as cluster:
        yield cluster


class Workflow:
    """A small study, its training long enough to be disturbed, in a folder of its own."""

    def __init__(self, repository, folder, environment, name="small"):
        config = json.loads(json.dumps(small(parse(repository / "config/config.yaml"))))
        config["training"] = {"shard": 60, "width": 4}
        for algorithm in config["algorithms"].values():
            algorithm["epochs"] = 60
        self.config, self.folder, self.environment = config | {"study": name}, folder, environment
        self.results = folder / "results" / name
        self.command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile"]
        self.command += ["--directory", folder, "--configfile", folder / f"{name}.yaml"]
        self.log = folder / f"{name}.log"

    def start(self, *extra):
        text = yaml.safe_dump(self.config, sort_keys=False)
        (self.folder / f"{self.config['study']}.yaml").write_text(text)
        with open(self.log, "w") as log:
            command = [*self.command, *extra]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        return self.process

    def run(self, *extra):
        return self.start(*extra).wait(), self.log.read_text()

    def summary(self):
        return (self.results / "summary.json").read_bytes()


@pytest.fixture
def submitted(repository, tmp_path, cluster):
    """Makes workflows that run on the cluster, all in one folder."""
    made = []

    def make(name, cluster=cluster):
        workflow = Workflow(repository, tmp_path, cluster.environment, name)
        workflow.command += ["--workflow-profile", repository / "profiles/slurm"]
        # Users wait 20 seconds, we do not.
        workflow.command += ["--slurm-init-seconds-before-status-checks", "1"]
        made.append(workflow)
        return workflow

    yield make
    for workflow in made:  # after a failed test
        workflow.process.kill()
        workflow.process.wait()


@pytest.fixture
def on_slurm(submitted):
    return submitted("small")


def training(workflow):
    """The workflow's training processes that are past their imports."""
    for process in psutil.process_iter(["cmdline", "name"]):
        try:
            line = process.info["cmdline"] or []
            if line[1:4] != ["-m", "modeldiff", "train"] or "--full" in line:
                continue
            own = workflow.folder / line[4] == workflow.results / "study.json"
            if own and process.cwd() == str(workflow.folder) and process.cpu_times().user > 4:
                yield process
        except psutil.Error:
            pass


def victim(workflow, process, seen):
    """A training process of a Slurm job that no fault has met yet: (process, job, node)."""
    deadline = time.time() + 240
    while time.time() < deadline:
        assert process.poll() is None, workflow.log.read_text()
        for each in training(workflow):
            try:
                environment = each.environ()
            except psutil.Error:
                continue
            job = environment.get("SLURM_JOB_ID")
            if job and job not in seen:
                seen.add(job)
                return each, job, environment["SLURMD_NODENAME"]
        time.sleep(0.1)
    raise AssertionError(f"no training job was seen\n{workflow.log.read_text()}")


def test_every_fault_at_once_changes_nothing(repository, tmp_path, submitted, cluster):
    """Scancel, SIGKILL, a time limit, a dead node; then Snakemake itself is killed.

    Meanwhile another study runs in the same folder on the same cluster.
    """
    request = ["--set-resources", "train:gres=gpu:1"]
    on_slurm, other = submitted("small"), submitted("other")
    process, seen = on_slurm.start(*request), set()
    _, job, node = victim(on_slurm, process, seen)
    # Not at the same time: two starts at once can take one another's lock (docs/slurm.md).
    other.start(*request, "--", "results/other/plain/margins.npy")
    assert cluster.ask("squeue", "-h", "-j", job, "-O", "tres-per-node") == ["gres:gpu:1"]
    cluster.do("node-down", node)
    each, _, _ = victim(on_slurm, process, seen)
    each.kill()
    cluster.do("node-up", node)
    each, job, _ = victim(on_slurm, process, seen)
    cluster.ask("scontrol", "update", f"jobid={job}", "timelimit=1")  # TERM comes 120 s before
    psutil.wait_procs([each], timeout=120)
    _, job, _ = victim(on_slurm, process, seen)
    cluster.ask("scancel", job)
    shards = on_slurm.results
    deadline = time.time() + 180
    while not list(shards.glob("*/shards/.*.partial")):
        assert time.time() < deadline, "no partial state was seen"
        time.sleep(0.1)
    process.kill()
    process.wait()

    # What docs/slurm.md says to do.
    code, said = on_slurm.run(*request)
    assert code == 1
    assert "--unlock" in said
    assert on_slurm.run("--unlock")[0] == 0
    cluster.ask("scancel", "--partition=gpu")
    code, said = on_slurm.run(*request)
    assert code == 0, said

    records = [json.loads(p.read_text()) for p in shards.glob("*/shards/*.npy.json")]
    assert len(records) == 4
    assert any(0 < record["resumed_at"] < 60 for record in records)
    assert not list(shards.glob("*/shards/.*"))

    (tmp_path / "local").mkdir()
    local = Workflow(repository, tmp_path / "local", cluster.environment)
    local.command += ["--workflow-profile", repository / "profiles/default", "--cores", "2"]
    code, said = local.run()
    assert code == 0, said
    assert on_slurm.summary() == local.summary()
    assert other.process.wait() == 0, other.log.read_text()
    margins = [w.results / "plain/margins.npy" for w in (other, local)]
    assert margins[0].read_bytes() == margins[1].read_bytes()  # it differs by its name alone


def test_a_job_killed_for_its_memory_gets_twice_as_much(on_slurm, cluster):
    # Less than torch takes where others share its pages: Slurm counts a share of those.
    on_slurm.config["training"]["memory"] = 200
    code, said = on_slurm.run("results/small/plain/shards/0-60.npy")
    assert code == 0, said
    jobs = re.findall(r"has been submitted with SLURM jobid (\d+)", said)
    asked = ["".join(cluster.ask("scontrol", "--oneliner", "show", "job", job)) for job in jobs]
    assert len(asked) >= 2
    assert ["mem=200M" in asked[0], "mem=400M" in asked[1]] == [True, True]


def test_a_controller_that_is_away_for_a_minute_is_waited_for(on_slurm, cluster):
    process = on_slurm.start("results/small/plain/shards/0-60.npy")
    victim(on_slurm, process, set())
    cluster.do("controller-down")
    time.sleep(60)
    cluster.do("controller-up")
    assert process.wait(timeout=240) == 0, on_slurm.log.read_text()


def test_with_accounting_faults_change_nothing(repository, tmp_path, submitted):
    """As most clusters are: sacct answers from slurmdbd, also while slurmctld is away."""
    wanted = "results/small/plain/shards/0-60.npy"
    with started(accounting=True) as cluster:
        on_slurm, seen = submitted("small", cluster), set()
        process = on_slurm.start(wanted)
        _, job, node = victim(on_slurm, process, seen)
        cluster.do("node-down", node)
        victim(on_slurm, process, seen)
        cluster.do("controller-down")
        time.sleep(20)
        cluster.do("controller-up")
        assert process.wait(timeout=240) == 0, on_slurm.log.read_text()
        assert cluster.ask("sacct", "-nXj", job, "--format", "state") == ["NODE_FAIL"]
        assert "COMPLETED" in cluster.ask("sacct", "-nX", "--format", "state")
        (tmp_path / "local").mkdir()
        local = Workflow(repository, tmp_path / "local", cluster.environment)
        local.command += ["--workflow-profile", repository / "profiles/default", "--cores", "1"]
        code, said = local.run(wanted)
        assert code == 0, said
    shards = [(each.folder / wanted).read_bytes() for each in (on_slurm, local)]
    assert shards[0] == shards[1]


def test_a_gpu_is_asked_for_and_its_absence_is_one_line(on_slurm):
    on_slurm.config["training"]["gpu"] = 1
    wanted = "results/small/plain/shards/0-60.npy"
    code, said = on_slurm.run("--retries", "0", wanted)
    assert code == 1
    assert "modeldiff: --gpu: no GPU is visible to torch here; set `training: {gpu: 0}`" in said
