"""Kill a random process of a small study every few seconds until it is finished: nothing is lost.

    python tests/slurm/chaos.py --seeds 20

Every seed runs the study in a folder of its own, through Snakemake's local executor. The victim
may be Snakemake itself, a shell, a training job, any step; it is sent KILL or TERM. A run that ends
is started again, unlocked first where a killed Snakemake left its lock, while jobs that it left
behind go on; that is all the help it gets. In the end its summary.json must be, byte for byte, that
of a run that nothing disturbed.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import yaml

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from conftest import small  # noqa: E402

from modeldiff.study.validation import parse  # noqa: E402

STUDY = Path("results/small")


def main() -> None:
    """One reference run, then one table row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="runs (20)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--every", type=float, default=10, help="mean seconds between kills (10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (reference := Path(folder) / "reference").mkdir()
        expected, *_ = run(reference, None, 0)
        print("| seed | killed | which | starts | resumed shards | seconds | summary |")
        print("|---|---|---|---|---|---|---|", flush=True)
        lost = 0
        for seed in range(options.first, options.first + options.seeds):
            (own := Path(folder) / str(seed)).mkdir()
            start = time.time()
            summary, killed, starts, resumed = run(own, random.Random(seed), options.every)
            which = ", ".join(f"{n} {name}" for name, n in sorted(killed.items()))
            verdict = "equal" if summary == expected else "**differs**"
            lost += summary != expected
            print(
                f"| {seed} | {killed.total()} | {which} | {starts} | {resumed} "
                f"| {time.time() - start:.0f} | {verdict} |",
                flush=True,
            )
    sys.exit(lost > 0)


def run(folder: Path, rng: random.Random | None, every: float) -> tuple[bytes, Counter, int, int]:
    """Run the study to its end; returns its summary, who was killed, starts, resumed shards."""
    config = small(json.loads(json.dumps(parse(REPOSITORY / "config/config.yaml"))))
    config["training"] = {"shard": 60, "width": 6}
    for algorithm in config["algorithms"].values():
        algorithm["epochs"] = 6
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile")]
    command += ["--workflow-profile", str(REPOSITORY / "profiles/default"), "--cores", "2"]
    command += ["--configfile", "config.yaml", "--rerun-incomplete"]
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    killed: Counter[str] = Counter()
    for starts in range(1, 200):
        with open(folder / "log", "a") as log:
            how = {"cwd": folder, "stdout": log, "stderr": log}
            environment = os.environ | {"PATH": python}
            if list(folder.glob(".snakemake/locks/*")):
                subprocess.run([*command, "--unlock"], **how, env=environment, check=True)
            process = subprocess.Popen(command, **how, env=environment)
            while process.poll() is None:
                try:
                    process.wait(rng.expovariate(1 / every) if rng else None)
                except subprocess.TimeoutExpired:
                    killed.update(kill_one(folder, rng))
        if process.returncode == 0:
            wait_for_orphans(folder)
            records = (json.loads(p.read_text()) for p in folder.glob(f"{STUDY}/*/shards/*.json"))
            resumed = sum(record["resumed_at"] > 0 for record in records)
            return (folder / STUDY / "summary.json").read_bytes(), killed, starts, resumed
        if not rng:
            break
    sys.exit(f"the study did not finish:\n{(folder / 'log').read_text()[-3000:]}")


def of_study(folder: Path) -> list[psutil.Process]:
    """All processes that work in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder.resolve()) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            pass
    return sorted(found, key=lambda p: p.pid)


def kill_one(folder: Path, rng: random.Random) -> list[str]:
    """Send KILL or TERM to a random process of the study; returns what it was."""
    try:
        victim = rng.choice(of_study(folder))
        line = victim.cmdline()
        victim.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
    except (IndexError, psutil.Error):
        return []  # it ended by itself
    if "snakemake" in line:
        return ["snakemake"]
    return [line[3] if line[1:3] == ["-m", "modeldiff"] else "shell"]


def wait_for_orphans(folder: Path) -> None:
    """What a killed Snakemake or shell left running ends by itself."""
    psutil.wait_procs(of_study(folder), timeout=300)


if __name__ == "__main__":
    main()
