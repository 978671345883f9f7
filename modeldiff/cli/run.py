"""`modeldiff run`: a study by Snakemake, with the workflow that comes with the package."""

import os
import subprocess
import sys
import time
from pathlib import Path

import click

from modeldiff.cli.options import FILE
from modeldiff.jobs import job_logs
from modeldiff.report import terminal
from modeldiff.study import Study, stages

WORKFLOW = Path(__file__).parents[1] / "workflow"
if not WORKFLOW.exists():  # in a checkout, where it stands beside the package
    WORKFLOW = Path(__file__).parents[2]
QUIET = ("--quiet", "all")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("config", type=FILE)
@click.argument("snakemake_options", nargs=-1, type=click.UNPROCESSED)
@click.option("--cores", type=click.IntRange(1), help="CPU cores to use.  [default: all]")
@click.option("--verbose", is_flag=True, help="Show all that Snakemake says.")
def run(config: Path, snakemake_options: tuple[str, ...], cores: int | None, verbose: bool) -> None:
    """Run CONFIG's study, or what is left of it, and print the result.

    By Snakemake, which gets all further options, e.g. `-n` to see what would run,
    `--workflow-profile profiles/slurm` to run on a cluster. The same command goes on with a study
    that was interrupted, or that has grown.
    """
    study = Study.read(config)
    started = time.time()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile")]
    command += ["--cores", str(cores or os.cpu_count() or 1)]
    showing = verbose or bool({"-n", "--dry-run", "--dryrun"} & set(snakemake_options))
    command += [] if showing else QUIET
    command += [*snakemake_options, "--configfile", str(config)]
    code = subprocess.run(command, env=_environment(), check=False).returncode
    summary = Path(study.folder) / stages.path("summary")
    if code == 0 and not showing:
        click.echo(terminal.lines(summary))
    if code:
        said = job_logs.last_words(Path(study.folder) / "logs", started)
        hint = "modeldiff: Snakemake stopped; run the same with --verbose to see what it says"
        click.echo("\n".join(said or [hint]), err=True)
    sys.exit(1 if code else 0)


def _environment() -> dict[str, str]:
    """Jobs call `python`: this one, also where its virtual environment is not activated."""
    folders = [str(Path(sys.executable).parent)]
    if "PATH" in os.environ:
        folders.append(os.environ["PATH"])
    return os.environ | {"PATH": os.pathsep.join(folders)}
