"""The commands that look for the features behind proved differences."""

from pathlib import Path

import click

from modeldiff.cli.options import FILE, data_option, device_options, output_option, study_argument
from modeldiff.core.errors import UserError
from modeldiff.study import Study


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@click.option("--proposals", type=FILE, required=True, help="Of the pair.")
@click.option("--proof", type=FILE, required=True, help="What retraining says of them.")
@data_option
@device_options
@output_option
def mine(
    study: Study,
    pair: tuple[str, str],
    checkpoints: tuple[Path, ...],
    proposals: Path,
    proof: Path,
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Find features that move one of PAIR and not the other, with models of both in CHECKPOINTS."""
    from modeldiff import dataset
    from modeldiff.mining import step

    if pair not in study.mined:
        known = ", ".join(" and ".join(each) for each in study.mined)
        raise UserError(f"{' and '.join(pair)}: study {study.name} mines {known or 'no pair'}")
    data = dataset.read(manifest, study.key("dataset"))
    step.write(study, pair, data, checkpoints, proposals, proof, output, device=device)
