"""A shard that is cut short goes on from where it was, to the bytes of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from modeldiff import dataset, training
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.study.validation import parse
from modeldiff.training import train_shard

pytestmark = pytest.mark.slow

# `modeldiff train` that saves after every group and epoch; else it would after minutes.
SAVES_ALWAYS = """
from modeldiff.training import checkpoint
from modeldiff.cli import main
checkpoint.SAVE = checkpoint.MIDWAY = 0
main()
"""


# `modeldiff train` that is told to end once its models are trained, and once its file is written.
ENDED_LATE = """
import os, signal
from modeldiff import training
from modeldiff.cli import main
from modeldiff.training import shard
finish = training.finish
def ended():
    finish()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
training.finish = shard.finish = ended
main()
"""


class Job:
    """The command that trains 30 models, 3 at a time, in a folder of its own."""

    def __init__(self, folder, config, room):
        config["algorithms"]["plain"]["epochs"] = 15
        self.full = ["--full"] if room == "full" else []
        config["training"] = {"width": 3}
        study = Study.load(config)
        study.write(folder / "study.json")
        dataset.prepare(study, folder / "manifest.json")
        self.key = study.key(room, "plain")
        self.folder = folder

    def start(self, output, *python):
        command = [sys.executable, *(python or ("-m", "modeldiff")), "train", "study.json", "plain"]
        command += self.full
        command += ["--dataset", "manifest.json", "--models", "0:30", "--output", output]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def run(self, output):
        """Train to the end; returns the last line of standard error."""
        process = self.start(output)
        _, said = process.communicate()
        return process.returncode, [x for x in said.splitlines() if x.startswith("modeldiff")]

    def kept(self, output):
        """How many models are kept so far."""
        paths = self.folder.glob(f".{output}.{self.key}-[0-9]*.partial")
        return sum(len(np.load(path)) for path in paths)

    def interrupt(self, output, number):
        """Send the signal once some models are kept; returns how many were, and what was said."""
        process, deadline = self.start(output, "-c", SAVES_ALWAYS), time.time() + 120
        while self.kept(output) < 6:
            assert process.poll() is None, process.communicate()
            assert time.time() < deadline, "no models were kept"
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate()
        assert process.returncode != 0
        assert not (self.folder / output).exists()
        return self.kept(output), [x for x in said.splitlines() if x.startswith("modeldiff")]


def make(repository, tmp_path_factory, room):
    config = json.loads(json.dumps(parse(repository / "config/config.yaml")))
    return Job(tmp_path_factory.mktemp(room), config, room)


@pytest.fixture(scope="module")
def shard(repository, tmp_path_factory):
    return make(repository, tmp_path_factory, "training")


@pytest.fixture(scope="module")
def full(repository, tmp_path_factory):
    return make(repository, tmp_path_factory, "full")


@pytest.fixture(scope="module")
def whole(shard):
    """The bytes of an undisturbed run."""
    assert shard.run("whole.npy") == (0, [])
    return (shard.folder / "whole.npy").read_bytes()


@pytest.fixture(autouse=True)
def clean(shard, whole):
    for path in shard.folder.glob("*cut.npy*"):
        path.unlink()


def test_a_killed_job_goes_on_to_the_same_bytes(shard, whole):
    kept, said = shard.interrupt("cut.npy", signal.SIGKILL)
    assert 6 <= kept < 30
    assert said == []
    assert shard.run("cut.npy") == (0, [])
    assert (shard.folder / "cut.npy").read_bytes() == whole
    assert artifacts.record(shard.folder / "cut.npy")["resumed_at"] >= kept
    assert not list(shard.folder.glob(".*partial*"))


def test_full_data_models_are_resumed_to_the_same_bytes(full):
    kept, said = full.interrupt("cut.npz", signal.SIGKILL)
    assert 6 <= kept < 30
    assert said == []
    process = full.start("cut.npz")
    _, said = process.communicate()
    assert process.returncode == 0
    assert f"{kept}/30" in said.replace("|", "").split()  # the bar starts where it was
    assert full.run("whole.npz") == (0, [])
    assert (full.folder / "cut.npz").read_bytes() == (full.folder / "whole.npz").read_bytes()
    assert not list(full.folder.glob(".*partial*"))


def test_a_job_that_is_told_to_end_when_it_is_done_ends_well(shard, whole):
    """Its scheduler would throw away the output of a job that fails."""
    process = shard.start("cut.npy", "-c", ENDED_LATE)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert (shard.folder / "cut.npy").read_bytes() == whole


def test_an_interrupted_job_keeps_what_it_has_and_says_so(shard, whole):
    kept, (line,) = shard.interrupt("cut.npy", signal.SIGINT)
    assert f"cut.npy: stopped by SIGINT; {kept} finished models are kept" in line
    assert shard.run("cut.npy") == (0, [])
    assert (shard.folder / "cut.npy").read_bytes() == whole
    assert artifacts.record(shard.folder / "cut.npy")["resumed_at"] == kept


def test_a_stopped_job_saves_although_no_save_was_due(shard, whole):
    """The last save may be a minute ago: SIGTERM itself saves."""
    late = SAVES_ALWAYS.replace("checkpoint.MIDWAY = ", "").replace(
        "main()",
        "kept = checkpoint.JobCheckpoint\n"
        "due = kept.save_if_due\n"
        "kept.save_if_due = lambda self: due(self) if len(self.rows) == 3 else None\n"
        "main()",
    )
    process = shard.start("cut.npy", "-c", late)
    while not shard.kept("cut.npy"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(1)  # some groups more, none of them saved
    before = shard.kept("cut.npy")
    process.terminate()
    _, said = process.communicate()
    kept = shard.kept("cut.npy")
    assert process.returncode == 1
    assert f"cut.npy: stopped by SIGTERM; {kept} finished models are kept" in said
    assert before == 3 < kept
    assert shard.run("cut.npy") == (0, [])
    assert (shard.folder / "cut.npy").read_bytes() == whole


def truncate(path):
    os.truncate(path, 500)


def alter(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def from_other_settings(path):
    record = artifacts.record(path)
    record["key"] = "0" * 16
    artifacts.record_path(path).write_text(json.dumps(record))


@pytest.mark.parametrize("harm", [truncate, alter, from_other_settings], ids=lambda h: h.__name__)
def test_a_damaged_or_foreign_partial_is_ignored_and_said_so(
    study, data, tmp_path, monkeypatch, capsys, harm
):
    def train(name):
        train_shard(study, "plain", data, range(30), tmp_path / name, device="cpu")
        return (tmp_path / name).read_bytes()

    whole, calls = train("whole.npy"), iter(range(100))
    with monkeypatch.context() as patch:  # stops in the second group of 15
        patch.setattr(
            training.shard,
            "failure",
            lambda *_: os.kill(os.getpid(), 2) if next(calls) == 20 else None,
        )
        with pytest.raises(UserError, match="15 finished models are kept"):
            train("cut.npy")
    (path,) = tmp_path.glob(".cut.npy.*-0.partial")
    harm(path)
    capsys.readouterr()
    assert train("cut.npy") == whole
    assert f"{path}: " in (said := capsys.readouterr().err)
    assert ": ignored, its models are trained again" in said
    assert artifacts.record(tmp_path / "cut.npy")["resumed_at"] == 0


def test_a_full_or_read_only_disk_gives_one_line_and_loses_no_finished_shard(shard, whole):
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = shard.folder / "disk"
    disk.mkdir()
    size = len(whole) * 3 // 2  # room for one shard and its record, not for two
    mount = ["mount", "-t", "tmpfs", "-o", f"size={-(-size // 4096) * 4096}", "none", disk]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this system mounts no small disk")
    try:
        assert shard.run("disk/first.npy") == (0, [])
        code, (line,) = shard.run("disk/second.npy")
        assert code == 1
        assert "cannot be written: No space left on device" in line
        assert (disk / "first.npy").read_bytes() == whole
        assert not (disk / "second.npy").exists()
        (disk / "first.npy").unlink()  # someone makes room
        assert shard.run("disk/second.npy") == (0, [])
        assert (disk / "second.npy").read_bytes() == whole
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        code, (line,) = shard.run("disk/third.npy")
        assert code == 1
        assert "cannot be written: Read-only file system" in line
        assert (disk / "second.npy").read_bytes() == whole
    finally:
        subprocess.run(["umount", disk], check=True)
