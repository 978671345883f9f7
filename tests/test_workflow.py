"""The whole house through Snakemake: what is made again and what is not, and after faults."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import small

from modeldiff.study.validation import parse

pytestmark = pytest.mark.slow

RESULTS = Path("results/small")


class Workflow:
    """Snakemake on a small study in a folder of its own."""

    def __init__(self, repository, folder):
        self.folder = folder
        self.config = json.loads(json.dumps(small(parse(repository / "config/config.yaml"))))
        self.config["training"]["shard"] = 60
        self.command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile"]
        self.command += ["--directory", folder, "--cores", "2", "--configfile", "config.yaml"]
        self.command += ["--workflow-profile", repository / "profiles/default"]
        bin_folder = Path(sys.executable).parent
        self.environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}

    def start(self, *extra, **environment):
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))
        return subprocess.Popen(
            [*self.command, *extra],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *extra, **environment):
        process = self.start(*extra, **environment)
        output, _ = process.communicate()
        return process.returncode, output

    def planned(self, *wanted):
        """How many jobs of each rule a dry run announces, for some files or all."""
        code, output = self.run("--dry-run", *wanted)
        assert code == 0, output
        return jobs(output)

    def modeldiff(self, *words):
        """Run `modeldiff`; its exit code and what it said."""
        command = [sys.executable, "-m", "modeldiff", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def file(self, path):
        return self.folder / RESULTS / path


def jobs(output):
    """The job counts in Snakemake's table."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", output, re.S | re.M)
    counts = (line.rsplit(maxsplit=1) for line in table[1].splitlines()) if table else ()
    return {name.strip(): int(count) for name, count in counts}


@pytest.fixture(scope="module")
def finished(repository, tmp_path_factory):
    """A study that ran undisturbed."""
    workflow = Workflow(repository, tmp_path_factory.mktemp("finished"))
    code, output = workflow.run()
    assert code == 0, output
    return workflow


@pytest.fixture(scope="module")
def summary(finished):
    return finished.file("summary.json").read_bytes()


def test_a_finished_study_has_all_its_files(finished, summary):
    made = [finished.file(p) for p in ("report.html", "plain/margins.npy", "masked/lds.npz")]
    made += [finished.file("plain-vs-masked/comparison.npz"), finished.file("subsets/masks.npy")]
    assert all(path.exists() for path in made)
    content = json.loads(summary)
    assert content["study"] == "small"
    assert content["algorithms"]["plain"]["models"] == 120
    assert finished.planned() == {}


def test_snakemakes_report_opens_with_what_the_page_says_first(finished):
    code, output = finished.run("--report", "snakemake.html")
    assert code == 0, output
    written = (finished.folder / "snakemake.html").read_text()
    opening = json.loads(re.search(r"var workflow_desc = (.*);", written)[1])
    page = finished.file("report.html").read_text()
    sentences = re.search(r'<ol class="verdict">(.*?)</ol>', page, re.S)[1]
    assert " ".join(sentences.split()) in " ".join(opening.split())
    assert "system-message" not in opening  # of docutils, about what it could not read
    # Snakemake shows its graph of rules first where there is nothing else to show beside the text.
    assert json.loads(re.search(r"var metadata = (.*);", written)[1])


def test_every_command_can_be_run_by_hand(finished, tmp_path):
    """The training command that the log shows, with another output, writes the same bytes."""
    code, output = finished.run("--dry-run", "--forceall")
    assert code == 0
    command = next(x for x in re.findall(r"Shell command: (.*)", output) if " train " in x)
    shard = re.search(r"--output (\S+)", command)[1]
    other = tmp_path / "shard.npy"
    by_hand = command.split(" &> ")[0].replace(shard, str(other))
    subprocess.run(by_hand, shell=True, check=True, cwd=finished.folder, env=finished.environment)
    assert other.read_bytes() == (finished.folder / shard).read_bytes()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            ("algorithms", "masked", "epochs"),
            4,
            {"train": 2, "train_full": 1, "margins": 1, "datamodels": 1, "predictions": 1},
        ),
        (("datamodels", "penalty"), 0.2, {"datamodels": 2}),
        (("comparison", "directions"), 5, {"comparison": 1}),
        (("subsets", "models"), 180, {"train": 2, "margins": 2, "datamodels": 2, "subsets": 1}),
    ],
    ids=lambda x: ".".join(x) if isinstance(x, tuple) else "",
)
def test_a_change_reruns_its_step_and_what_follows(finished, path, value, expected):
    *parents, last = path
    node = finished.config
    for part in parents:
        node = node[part]
    before, node[last] = node[last], value
    try:
        planned = finished.planned()
    finally:
        node[last] = before
    for rule in ("dataset", "subsets", "train", "train_full", "margins", "datamodels"):
        assert planned.get(rule, 0) == expected.get(rule, 0), rule
    assert planned["comparison"] == 1


def test_a_dry_run_imports_no_torch(finished, tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    code, output = finished.run("--dry-run", "--forceall", PYTHONPATH=str(tmp_path))
    assert code == 0, output
    assert jobs(output)["train"] == 4


def test_a_truncated_shard_is_named_and_only_it_is_trained_again(finished, summary):
    shard = finished.file("plain/shards/60-120.npy")
    with open(shard, "r+b") as file:
        file.truncate(1000)
    code, output = finished.run()
    assert code == 1
    assert "plain/shards/60-120.npy: has 1000 bytes, not" in output
    assert "run the same command again to train only it again" in output
    code, output = finished.run()
    assert code == 0, output
    assert jobs(output)["train"] == 1
    assert finished.file("summary.json").read_bytes() == summary


def training(process):
    """The `modeldiff train` processes below `process`."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "modeldiff train" in " ".join(child.cmdline()) and "python" in child.name():
                yield child
        except psutil.NoSuchProcess:
            pass


def test_a_training_job_killed_halfway_changes_nothing(repository, tmp_path, summary):
    workflow = Workflow(repository, tmp_path)
    process = workflow.start()
    deadline, victims = time.time() + 120, []
    while not victims and time.time() < deadline:
        if any(log.stat().st_size for log in workflow.file("logs/train").glob("*.log")):
            victims = list(training(process))  # a job's first line: no model is trained yet
        time.sleep(0.05)
    assert victims, "no training job was seen"
    victims[0].send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 1, output
    code, output = workflow.run()
    assert code == 0, output
    assert workflow.file("summary.json").read_bytes() == summary
