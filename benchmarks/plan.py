"""Does `modeldiff plan` predict what training costs? CPU time of the real jobs beside it.

    python benchmarks/plan.py [CONFIG]

Runs the plan, then every training job of the study as Snakemake would, one after another, in a
temporary folder, and prints both in CPU seconds (user and system, with the start of each process).
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from modeldiff import dataset
from modeldiff.study import Study


def children() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(config: str) -> None:
    study, tool = Study.read(config), [sys.executable, "-m", "modeldiff"]
    plan = subprocess.run([*tool, "plan", config, "--json"], check=True, stdout=subprocess.PIPE)
    predicted = json.loads(plan.stdout)["hours"] * 3600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset.prepare(study, folder / "manifest.json")
        study.write(folder / "study.json")
        before, full = children(), study.config["verification"]["models"]
        for algorithm in study.algorithms:
            for more, models in (([], study.models), (["--full"], full)):
                for shard in study.shards(models):
                    words = [*tool, "train", folder / "study.json", algorithm, *more]
                    words += ["--dataset", folder / "manifest.json", "--output", folder / "out"]
                    words += ["--models", f"{shard.start}:{shard.stop}"]
                    subprocess.run(words, check=True)
        real = children() - before
    print(f"predicted {predicted:.1f} CPU s, real {real:.1f} CPU s: {predicted / real - 1:+.0%}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "config/config.yaml")
