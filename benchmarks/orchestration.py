"""What Snakemake and Slurm cost beside training: a study's jobs on the tests' one-machine cluster.

    python benchmarks/orchestration.py [--jobs 8]

A job holds its GPU from its start to its end (Slurm's own times); it trains for a part of that (its
shard's record). The rest is two nested Snakemakes, imports and reading the data. A GPU that waits
for its next job is not in it: with more jobs in the queue than GPUs none waits. As root, like
tests/slurm; every slot of the cluster is a CPU, so that starts are slower where cores are busy.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from conftest import small  # noqa: E402

from modeldiff.study.validation import parse  # noqa: E402

CLUSTER = REPOSITORY / "tests/slurm/cluster.sh"
WANTED = 600  # seconds of work in a job
SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\d+)")
FINISHED = re.compile(r"\[(.{24})\]\nFinished jobid: (\d+) \(Rule: train\)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=8, help="training jobs (8)")
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as cluster, tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run([CLUSTER, "start", cluster], check=True, stdin=subprocess.DEVNULL)
            path = f"{cluster}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
            report(Path(folder), run(Path(folder), jobs, os.environ | {"PATH": path}))
        finally:
            subprocess.run([CLUSTER, "stop", cluster], check=True, stdin=subprocess.DEVNULL)


def run(folder: Path, jobs: int, environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """Train one algorithm of a small study through profiles/slurm; returns Slurm's view of it."""
    config = json.loads(json.dumps(small(parse(REPOSITORY / "config/config.yaml"))))
    config["training"] = {"shard": -(-120 // jobs), "width": 5}
    config["algorithms"]["plain"]["epochs"] = 20
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile"]
    command += ["--workflow-profile", REPOSITORY / "profiles/slurm", "--configfile", "config.yaml"]
    command += ["--set-resources", "train:gres=gpu:1", "--", "results/small/plain/margins.npy"]
    with open(folder / "log", "w") as log:
        subprocess.run(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, check=True
        )
    said = subprocess.run(
        ["scontrol", "--oneliner", "show", "job"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    views = (dict(re.findall(r"(\w+)=(\S*)", line)) for line in said.splitlines())
    return {view["JobId"]: view for view in views}


def report(folder: Path, views: dict[str, dict[str, str]]) -> None:
    """Print how long jobs held their GPUs, trained, waited, and went unseen after their end."""
    log = (folder / "log").read_text()
    slurm = {job: views[own] for job, own in SUBMITTED.findall(log)}
    seen = {job: datetime.strptime(when, "%c").timestamp() for when, job in FINISHED.findall(log)}
    held, waited, unseen = [], [], []
    for job, view in slurm.items():
        submit, start, end = (
            datetime.fromisoformat(view[f"{what}Time"]).timestamp()
            for what in ("Submit", "Start", "End")
        )
        held.append(end - start)
        waited.append(start - submit)
        unseen.append(seen[job] - end)
    records = [json.loads(p.read_text()) for p in folder.glob("results/*/*/shards/*.npy.json")]
    trained = sum((r["models"][1] - r["models"][0]) / r["models_per_second"] for r in records)
    extra = (sum(held) - trained) / len(held)
    print(f"{len(held)} jobs, load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    print(f"held {sum(held) / len(held):.1f} s, trained {trained / len(held):.1f} s (means)")
    print(f"beside training {extra:.1f} s a job: {extra / (WANTED + extra):.1%} of {WANTED} s jobs")
    print(f"waited in the queue {statistics.median(waited):.0f} s (median)")
    print(
        f"seen to have ended after {statistics.median(unseen):.0f} s (median), {max(unseen):.0f} s"
    )


if __name__ == "__main__":
    main()
