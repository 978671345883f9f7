"""The commands that look for the features behind proved differences."""

from pathlib import Path

import click

from modeldiff.cli.options import (
    FILE,
    check_of_pair,
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

    check_pair(study, pair, study.mined, "mines")
    study, data = dataset.opened(study, manifest)
    step.write(study, pair, data, checkpoints, proposals, proof, output, device=device)


@click.command()
@study_argument
@pair_argument
@click.argument("algorithm")
@click.argument("features", type=FILE)
@click.option("--proposals", type=FILE, required=True, help="Of the pair.")
@click.option("--proof", type=FILE, required=True, help="What retraining says of them.")
@data_option
@click.option("--width", type=click.IntRange(1), help="Models at once.  [default: the study's]")
@device_options
@output_option
def removal(
    study: Study,
    pair: tuple[str, str],
    algorithm: str,
    features: Path,
    proposals: Path,
    proof: Path,
    manifest: Path,
    width: int | None,
    device: str,
    output: Path,
) -> None:
    """See whether what FEATURES found goes with the training images behind it.

    Trains models of ALGORITHM, one of PAIR, without those images. FEATURES: what `mine` wrote.
    """
    from modeldiff import dataset, training
    from modeldiff.mining import removal

    check_pair(study, pair, study.mined, "mines")
    check_of_pair(pair, algorithm)
    study, data = dataset.opened(study, manifest, beton=study.beton)
    chosen = study.at_width(width) if width else study
    removal.write(chosen, pair, algorithm, data, proposals, proof, features, output, device=device)
    training.finish()
