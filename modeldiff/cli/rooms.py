"""One command per room, each of them what one Snakemake rule runs.

Every room takes the checked study (`study.json`) or a config, its inputs and `--output`.
"""

from pathlib import Path

import click
import numpy as np

from modeldiff.cli.options import (
    FILE,
    Range,
    data_option,
    gpu_option,
    output_option,
    study_argument,
    threads_option,
    torch_device,
)
from modeldiff.errors import UserError
from modeldiff.study import Study


@click.command()
@study_argument
@output_option
def dataset(study: Path, output: Path) -> None:
    """Prepare the data set; OUTPUT is its manifest."""
    from modeldiff import dataset

    dataset.prepare(Study.read(study), output)


@click.command()
@study_argument
@data_option
@output_option
def subsets(study: Path, manifest: Path, output: Path) -> None:
    """Draw the masks of all subsets, bit-packed."""
    from modeldiff import dataset, subsets

    s = Study.read(study)
    n = dataset.read_manifest(manifest, s.key("dataset"))["train"]
    subsets.write(output, n, range(s.n_subsets), s.alpha, s.seed, s.key("subsets"))


@click.command()
@study_argument
@click.argument("algorithm")
@data_option
@click.option("--models", type=Range(), required=True, help="Which models, first:stop.")
@click.option("--full", is_flag=True, help="On the full training set; writes weights.")
@gpu_option
@threads_option
@output_option
def train(
    study: Path,
    algorithm: str,
    manifest: Path,
    models: range,
    full: bool,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Train a range of models of ALGORITHM and write their margins."""
    from modeldiff import dataset

    s = Study.read(study)
    known(s, algorithm)
    device = torch_device(gpu, threads)
    from modeldiff import training

    job = training.train_full if full else training.train_shard
    job(s, algorithm, dataset.read(manifest, s.key("dataset")), models, output, device=device)


@click.command()
@study_argument
@click.argument("algorithm")
@click.argument("shards", type=FILE, nargs=-1, required=True)
@output_option
def margins(study: Path, algorithm: str, shards: tuple[Path, ...], output: Path) -> None:
    """Gather the SHARDS of ALGORITHM into one array."""
    from modeldiff import margins

    s = Study.read(study)
    known(s, algorithm)
    margins.gather(shards, s.key("training", algorithm), output, s.key("margins", algorithm))


@click.command()
@study_argument
@click.argument("algorithm")
@click.option("--masks", type=FILE, required=True, help="Masks of all subsets.")
@click.option("--margins", type=FILE, required=True, help="Margins of all models.")
@data_option
@gpu_option
@threads_option
@output_option
def datamodels(
    study: Path,
    algorithm: str,
    masks: Path,
    margins: Path,
    manifest: Path,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Fit the datamodels of ALGORITHM and see how well they predict."""
    s = Study.read(study)
    known(s, algorithm)
    device = torch_device(gpu, threads)
    from modeldiff import dataset
    from modeldiff.datamodels import step

    n_train = dataset.read_manifest(manifest, s.key("dataset"))["train"]
    step.write(s, algorithm, n_train, masks, margins, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.option("--datamodels", "fits", type=FILE, nargs=2, required=True, help="Of both, in order.")
@click.option("--margins", "gathered", type=FILE, nargs=2, required=True, help="Of both, too.")
@click.option("--masks", type=FILE, required=True, help="Masks of all subsets.")
@data_option
@output_option
def comparison(
    study: Path,
    pair: tuple[str, str],
    fits: tuple[Path, Path],
    gathered: tuple[Path, Path],
    masks: Path,
    manifest: Path,
    output: Path,
) -> None:
    """Find what sets the two algorithms of PAIR apart, both ways."""
    from modeldiff import comparison, dataset
    from modeldiff.datamodels import step

    s = Study.read(study)
    targets = np.array(dataset.read_manifest(manifest, s.key("dataset"))["targets"])
    a, b = (
        step.read(path, s.key("datamodels", name)).weights
        for path, name in zip(fits, pair, strict=True)
    )
    comparison.write(s, pair, (a, b), targets, output, masks=masks, gathered=gathered)


@click.command()
@study_argument
@click.argument("algorithm")
@click.argument("checkpoints", type=FILE, nargs=-1, required=True)
@data_option
@gpu_option
@threads_option
@output_option
def predictions(
    study: Path,
    algorithm: str,
    checkpoints: tuple[Path, ...],
    manifest: Path,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Measure how every transformation moves the models in CHECKPOINTS."""
    s = Study.read(study)
    known(s, algorithm)
    device = torch_device(gpu, threads)
    from modeldiff import dataset, verification

    data = dataset.read(manifest, s.key("dataset"))
    verification.predict(s, algorithm, data, checkpoints, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.option("--predictions", "moved", type=FILE, nargs=2, required=True, help="Of both.")
@output_option
def verification(
    study: Path, pair: tuple[str, str], moved: tuple[Path, Path], output: Path
) -> None:
    """Tabulate the effects on the two algorithms of PAIR, with intervals."""
    from modeldiff import verification

    verification.write(Study.read(study), dict(zip(pair, moved, strict=True)), output)


@click.command()
@study_argument
def report(study: Path) -> None:
    """Write the page, the figures and the summary beside STUDY (a results folder's study.json)."""
    from modeldiff import report

    report.write(study)


@click.command()
@click.argument("summary", type=FILE)
def found(summary: Path) -> None:
    """Say in a few lines what was found: SUMMARY is a results folder's summary.json."""
    from modeldiff.report import found

    click.echo(found.lines(summary))


COMMANDS = (
    dataset,
    subsets,
    train,
    margins,
    datamodels,
    comparison,
    predictions,
    verification,
    report,
    found,
)


def known(study: Study, algorithm: str) -> None:
    """UserError unless the study has the algorithm."""
    if algorithm not in study.algorithms:
        names = ", ".join(study.algorithms)
        raise UserError(f"algorithm {algorithm!r}: study {study.name} has {names}")
