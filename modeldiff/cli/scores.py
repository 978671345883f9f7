"""The command that takes in attributions from elsewhere, where a study has them."""

from pathlib import Path

import click

from modeldiff import devices
from modeldiff.cli.options import (
    data_option,
    gpu_option,
    output_option,
    study_argument,
    threads_option,
)
from modeldiff.errors import UserError
from modeldiff.study import Study


@click.command()
@study_argument
@click.argument("algorithm")
@data_option
@gpu_option
@threads_option
@output_option
def scores(
    study: Path, algorithm: str, manifest: Path, gpu: int, threads: int, output: Path
) -> None:
    """Take in, or compute by TRAK, the scores that ALGORITHM is compared by."""
    from modeldiff import dataset

    s = Study.read(study)
    if algorithm not in s.scores:
        raise UserError(f"algorithm {algorithm!r}: has no scores in study {s.name}")
    device = devices.claim(gpu, threads)
    from modeldiff import attributions

    data = dataset.read(manifest, s.key("dataset"))
    attributions.write(s, algorithm, data, output, device=device)
