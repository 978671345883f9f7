"""The commands that people give."""

import json
import time
from pathlib import Path
from typing import Any

import click

from modeldiff import plan as plans
from modeldiff import status as states
from modeldiff.cli.options import FILE, json_option
from modeldiff.study import Study

config_argument = click.argument("config", type=FILE)


@click.command()
@config_argument
@click.option("--output", "-o", type=FILE, help="Also write it with all defaults (JSON).")
@json_option
def check(config: Path, output: Path | None, as_json: bool) -> None:
    """Check CONFIG and say what the study will do.

    Tries every import path, looks for the data, prepares and trains nothing. Exit code 1 and one
    line (file, key, what would be right) for the first mistake.
    """
    study = Study.read(config)
    outline = plans.outline(study)
    if output:
        study.write(output)
    show(outline, as_json, "\n".join(plans.lines(outline)))


@click.command()
@click.argument("folder", type=FILE)
@click.option("--watch", is_flag=True, help="Say it again every two seconds until all is done.")
@json_option
def status(folder: Path, watch: bool, as_json: bool) -> None:
    """How far the study in FOLDER (results/NAME) is.

    Models trained, failed and running, rate, time left, and which room each algorithm is in; from
    the files alone, so that it works on any machine that sees them, while the study runs or not.
    """
    while True:
        found = states.read(folder)
        if watch and not as_json:
            click.clear()
        show(found.as_json(), as_json, "\n".join(states.lines(found)))
        if not watch or found.report:
            return
        time.sleep(2)


def show(content: Any, as_json: bool, text: str) -> None:
    """One result, for a program or for people."""
    click.echo(json.dumps(content, indent=1) if as_json else text)


COMMANDS = (check, status)
