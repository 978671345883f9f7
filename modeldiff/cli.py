"""The command line: one subcommand per room, each of them what one Snakemake rule runs.

Every room takes the checked study (`study.json`) or a config, its inputs and `--output`; torch
is imported only by the rooms that need it.
"""

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from modeldiff.errors import UserError
from modeldiff.study import Study

FILE = click.Path(path_type=Path)


class Rooms(click.Group):
    """A group that turns a user's mistake into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"modeldiff: {error}", err=True)
            sys.exit(1)


class Range(click.ParamType):  # type: ignore[type-arg]
    """`first:stop`, a range of models."""

    name = "first:stop"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        """`0:250` as range(0, 250)."""
        first, _, stop = str(value).partition(":")
        if not (first.isdecimal() and stop.isdecimal() and int(first) < int(stop)):
            self.fail(f"{value!r} must be first:stop with first < stop, e.g. 0:250", param, ctx)
        return range(int(first), int(stop))


@click.group(cls=Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="modeldiff")
def main() -> None:
    """What do two learning algorithms do differently?"""


def study_argument(command: Any) -> Any:
    """The study as first argument: a config (YAML), or the checked study of a results folder."""
    return click.argument("study", type=FILE)(command)


def output_option(command: Any) -> Any:
    """Where the result goes."""
    return click.option("--output", "-o", type=FILE, required=True, help="What to write.")(command)


data_option = click.option(
    "--dataset", "manifest", type=FILE, required=True, help="Manifest of the prepared data set."
)
gpu_option = click.option("--gpu", type=int, default=0, help="GPUs to use; 0 is the CPU.")
threads_option = click.option("--threads", type=int, default=1, help="CPU threads.")


@main.command()
@study_argument
@output_option
def study(study: Path, output: Path) -> None:
    """Check a config and write it with all defaults."""
    Study.read(study).write(output)


@main.command()
@study_argument
@output_option
def dataset(study: Path, output: Path) -> None:
    """Prepare the data set; OUTPUT is its manifest."""
    from modeldiff import dataset

    dataset.prepare(Study.read(study), output)


@main.command()
@study_argument
@data_option
@output_option
def subsets(study: Path, manifest: Path, output: Path) -> None:
    """Draw the masks of all subsets, bit-packed."""
    from modeldiff import dataset, subsets

    s = Study.read(study)
    n = dataset.read_manifest(manifest, s.key("dataset"))["train"]
    subsets.write(output, n, range(s.n_subsets), s.alpha, s.seed, s.key("subsets"))


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
@study_argument
@click.argument("pair", nargs=2)
@click.option("--datamodels", "fits", type=FILE, nargs=2, required=True, help="Of both, in order.")
@data_option
@output_option
def comparison(
    study: Path, pair: tuple[str, str], fits: tuple[Path, Path], manifest: Path, output: Path
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
    comparison.write(s, pair, (a, b), targets, output)


@main.command()
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


@main.command()
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


@main.command()
@study_argument
def report(study: Path) -> None:
    """Write the page, the figures and the summary beside STUDY (a results folder's study.json)."""
    from modeldiff import report

    report.write(study)


@main.command()
@click.argument("summary", type=FILE)
def found(summary: Path) -> None:
    """Say in a few lines what was found: SUMMARY is a results folder's summary.json."""
    from modeldiff.report import found

    click.echo(found.lines(summary))


def known(study: Study, algorithm: str) -> None:
    """UserError unless the study has the algorithm."""
    if algorithm not in study.algorithms:
        names = ", ".join(study.algorithms)
        raise UserError(f"algorithm {algorithm!r}: study {study.name} has {names}")


def torch_device(gpu: int, threads: int) -> str:
    """The torch device for a job that was given `gpu` GPUs and `threads` CPU threads."""
    import torch

    torch.set_num_threads(threads)
    if gpu and not torch.cuda.is_available():
        raise UserError("--gpu: no GPU is visible to torch here; set `training: {gpu: 0}`")
    return "cuda" if gpu else "cpu"
