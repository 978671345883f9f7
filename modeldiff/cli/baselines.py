"""The command that compares models in other known ways."""

from pathlib import Path

import click

from modeldiff.cli.options import (
    FILE,
    check_pair,
    data_option,
    device_options,
    output_option,
    pair_argument,
    study_argument,
)
from modeldiff.study import Study


@click.command()
@study_argument
@pair_argument
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@device_options
@output_option
def baselines(
    study: Study,
    pair: tuple[str, str],
    checkpoints: tuple[Path, ...],
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Compare the models in CHECKPOINTS, of both of PAIR, by the study's other methods.

    OUTPUT is the table; beside it goes which images they name.
    """
    from modeldiff import dataset
    from modeldiff.baselines import step

    check_pair(study, pair, study.with_baselines, "has baselines of")
    study, data = dataset.opened(study, manifest)
    step.write(study, pair, data, checkpoints, output, device=device)
