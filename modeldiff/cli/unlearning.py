"""The command that asks what is left of a group that was to be forgotten."""

from pathlib import Path

import click

from modeldiff.cli.options import FILE, data_option, device_options, output_option, study_argument
from modeldiff.core.errors import UserError
from modeldiff.study import Study


@click.command()
@study_argument
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@device_options
@output_option
def unlearning(
    study: Study, checkpoints: tuple[Path, ...], manifest: Path, device: str, output: Path
) -> None:
    """Ask how much of a forgotten group is left, by the models in CHECKPOINTS of all algorithms."""
    from modeldiff import dataset
    from modeldiff.unlearning import step

    if not study.unlearned:
        raise UserError(f"study {study.name}: has no `unlearning`")
    study, data = dataset.opened(study, manifest)
    step.write(study, data, checkpoints, output, device=device)
