"""The commands that put features on images: what was asked for, and what is worth a try."""

from pathlib import Path

import click

from modeldiff.cli.options import (
    FILE,
    algorithm_argument,
    data_option,
    device_options,
    output_option,
    study_argument,
)
from modeldiff.study import Study


@click.command()
@study_argument
@algorithm_argument
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@device_options
@output_option
def predictions(
    study: Study,
    algorithm: str,
    checkpoints: tuple[Path, ...],
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Measure how every transformation moves the models in CHECKPOINTS."""
    from modeldiff import dataset, verification

    data = dataset.read(manifest, study.key("dataset"))
    verification.predict(study, algorithm, data, checkpoints, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.argument("predictions", type=FILE, nargs=-1)
@output_option
def verification(
    study: Study, pair: tuple[str, str], predictions: tuple[Path, ...], output: Path
) -> None:
    """Tabulate effects, with intervals, on the algorithms of PAIR and on those of no pair.

    PREDICTIONS: of the pair, then of the others in the order of the config.
    """
    from modeldiff import verification

    verification.write(
        study, pair, dict(zip(study.verified(*pair), predictions, strict=True)), output
    )


@click.command()
@study_argument
@algorithm_argument
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@device_options
@output_option
def trials(
    study: Study,
    algorithm: str,
    checkpoints: tuple[Path, ...],
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Try the library of transformations on the first models in CHECKPOINTS."""
    from modeldiff import candidates, dataset

    data = dataset.read(manifest, study.key("dataset"))
    candidates.attempt(study, algorithm, data, checkpoints, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.option("--trials", type=FILE, nargs=2, required=True, help="Of both, in order.")
@click.option("--comparison", type=FILE, required=True, help="Of the pair.")
@data_option
@output_option
def candidates(
    study: Study,
    pair: tuple[str, str],
    trials: tuple[Path, Path],
    comparison: Path,
    manifest: Path,
    output: Path,
) -> None:
    """Propose transformations to verify, for each direction of PAIR."""
    from modeldiff import candidates

    candidates.propose(study, pair, manifest, trials, comparison, output)
