"""Does `modeldiff plan` predict what a study costs? CPU time of the real study beside it.

    python benchmarks/plan.py [CONFIG]

Runs the plan, then the whole study through Snakemake in a temporary folder, and prints both in CPU
seconds (user and system, of all processes; Snakemake's own are in the real ones only).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def children() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(config: str) -> None:
    tool = [sys.executable, "-m", "modeldiff", "plan", config, "--json"]
    plan = json.loads(subprocess.run(tool, check=True, stdout=subprocess.PIPE).stdout)
    predicted = (plan["hours"] + plan["cpu_hours_after"]) * 3600
    before = children()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--cores"]
        command += ["1", "--directory", folder, "--configfile", config, "--workflow-profile"]
        command += [REPOSITORY / "profiles/default"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with open(Path(folder) / "log", "w") as log:
            how = {"stdout": log, "stderr": log, "env": os.environ | {"PATH": path}}
            subprocess.run(command, check=True, **how)
    real = children() - before
    print(f"predicted {predicted:.1f} CPU s, real {real:.1f} CPU s: {predicted / real - 1:+.0%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, nargs="?", default=REPOSITORY / "config/config.yaml")
    main(str(parser.parse_args().config.resolve()))
