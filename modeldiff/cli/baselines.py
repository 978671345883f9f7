"""The command that compares models in other known ways."""

from pathlib import Path

import click

from modeldiff.cli.options import (
    FILE,
    data_option,
    device_options,
    output_option,
    study_argument,
)
from modeldiff.core.errors import UserError
from modeldiff.study import Study


@click.command()
@study_argument
@click.argument("pair", nargs=2)
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

    if pair not in study.with_baselines:
        known = ", ".join(" and ".join(each) for each in study.with_baselines)
        raise UserError(
            f"{' and '.join(pair)}: study {study.name} has baselines of {known or 'no pair'}"
        )
    data = dataset.read(manifest, study.key("dataset"))
    step.write(study, pair, data, checkpoints, output, device=device)
