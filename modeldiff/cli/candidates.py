"""The two commands that propose what to verify, where a study asks for it."""

from pathlib import Path

import click

from modeldiff import devices
from modeldiff.cli.options import (
    FILE,
    data_option,
    gpu_option,
    known,
    output_option,
    study_argument,
    threads_option,
)
from modeldiff.study import Study


@click.command()
@study_argument
@click.argument("algorithm")
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@gpu_option
@threads_option
@output_option
def trials(
    study: Path,
    algorithm: str,
    checkpoints: tuple[Path, ...],
    manifest: Path,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Try the library of transformations on the first models in CHECKPOINTS."""
    s = Study.read(study)
    known(s, algorithm)
    device = devices.claim(gpu, threads)
    from modeldiff import candidates, dataset

    data = dataset.read(manifest, s.key("dataset"))
    candidates.attempt(s, algorithm, data, checkpoints, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.option("--trials", type=FILE, nargs=2, required=True, help="Of both, in order.")
@click.option("--comparison", type=FILE, required=True, help="Of the pair.")
@data_option
@output_option
def candidates(
    study: Path,
    pair: tuple[str, str],
    trials: tuple[Path, Path],
    comparison: Path,
    manifest: Path,
    output: Path,
) -> None:
    """Propose transformations to verify, for each direction of PAIR."""
    from modeldiff import candidates

    candidates.propose(Study.read(study), pair, manifest, trials, comparison, output)
