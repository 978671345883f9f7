"""The command of occlusion."""

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
@click.option("--comparison", type=FILE, required=True, help="Of the pair.")
@click.option("--proposals", type=FILE, help="Of the pair, if there are any.")
@data_option
@device_options
@output_option
def occlusion(
    study: Study,
    pair: tuple[str, str],
    checkpoints: tuple[Path, ...],
    comparison: Path,
    proposals: Path | None,
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Find words, symbols or columns of examples that set models of PAIR in CHECKPOINTS apart."""
    from modeldiff import dataset, occlusion

    check_pair(study, pair, study.occluded, "looks for words, symbols or columns of")
    study, data = dataset.opened(study, manifest)
    occlusion.write(
        study, pair, data, checkpoints, comparison, output, proposals=proposals, device=device
    )
