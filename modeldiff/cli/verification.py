"""The commands that apply features to images: those named in a study, and candidates."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from modeldiff.cli.options import (
    FILE,
    algorithm_argument,
    data_option,
    device_options,
    output_option,
    pair_argument,
    study_argument,
)
from modeldiff.core.errors import UserError
from modeldiff.study import Study


def on_models(command: Callable[..., None]) -> Callable[..., None]:
    """For a command that shows the data set's images to models in CHECKPOINTS."""

    @study_argument
    @algorithm_argument
    @click.argument("checkpoints", type=FILE, nargs=-1, required=True)
    @data_option
    @device_options
    @output_option
    @wraps(command)
    def given(study: Study, algorithm: str, manifest: Path, **more: Any) -> None:
        from modeldiff import dataset

        study, data = dataset.opened(study, manifest)
        command(study=study, name=algorithm, data=data, **more)

    return given


@click.command()
@on_models
def predictions(**given: Any) -> None:
    """Measure how every transformation moves the models in CHECKPOINTS."""
    from modeldiff import verification

    verification.predict(**given)


@click.command()
@study_argument
@pair_argument
@click.argument("predictions", type=FILE, nargs=-1)
@output_option
def verification(
    study: Study, pair: tuple[str, str], predictions: tuple[Path, ...], output: Path
) -> None:
    """Tabulate effects, with intervals, on the algorithms of PAIR and on those of no pair.

    PREDICTIONS: of the pair, then of the others in the order of the config; none where the study
    shows no features.
    """
    from modeldiff import verification

    names = study.verified(*pair) if study.shown else ()
    if len(predictions) != len(names):
        must = f"must be {len(names)}, of {', '.join(names) or 'none'}"
        raise UserError(f"PREDICTIONS: are {len(predictions)} files; {must}")
    verification.write(study, pair, dict(zip(names, predictions, strict=True)), output)


@click.command()
@on_models
def trials(**given: Any) -> None:
    """Try the library of transformations on the first models in CHECKPOINTS."""
    from modeldiff.verification import candidates

    candidates.attempt(**given)


@click.command()
@study_argument
@pair_argument
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
    from modeldiff.verification import candidates

    candidates.propose(study, pair, manifest, trials, comparison, output)
