"""One command per room, each of them what one Snakemake rule runs.

Every room takes the checked study (`study.json`) or a config, its inputs and `--output`.
"""

from pathlib import Path

import click
import numpy as np

from modeldiff import devices
from modeldiff.cli.candidates import candidates, trials
from modeldiff.cli.options import (
    FILE,
    Range,
    data_option,
    gpu_option,
    known,
    margins_option,
    masks_option,
    output_option,
    regression,
    study_argument,
    threads_option,
)
from modeldiff.cli.scores import scores
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
def beton(study: Path, manifest: Path, output: Path) -> None:
    """Write the training images in FFCV's format."""
    from modeldiff import dataset
    from modeldiff.training import ffcv

    s = Study.read(study)
    train = dataset.read(manifest, s.key("dataset")).train
    jpeg = s.config["training"]["jpeg"]
    ffcv.write(train.images, train.labels, output, s.key("beton"), jpeg)


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
@click.option("--width", type=click.IntRange(1), help="Models at once.  [default: the study's]")
@gpu_option
@threads_option
@output_option
def train(
    study: Path,
    algorithm: str,
    manifest: Path,
    models: range,
    full: bool,
    width: int | None,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Train a range of models of ALGORITHM and write their margins."""
    from modeldiff import dataset

    s = Study.read(study)
    known(s, algorithm)
    width = width or s.config["training"]["width"]
    if not isinstance(width, int):
        raise UserError("--width: must be given, since the study has `width: auto`")
    device = devices.claim(gpu, threads)
    from modeldiff import training

    s = s.at_width(width)
    job = training.train_full if full else training.train_shard
    data = dataset.read(manifest, s.key("dataset"), beton=s.beton)
    job(s, algorithm, data, models, output, device=device)
    training.finish()


@click.command()
@study_argument
@click.argument("algorithm")
@data_option
@gpu_option
@threads_option
@output_option
def calibrate(
    study: Path, algorithm: str, manifest: Path, gpu: int, threads: int, output: Path
) -> None:
    """Measure how many models of ALGORITHM at once train fastest, and how long one takes."""
    from modeldiff import dataset

    s = Study.read(study)
    known(s, algorithm)
    device = devices.claim(gpu, threads)
    from modeldiff.training import calibration

    data = dataset.read(manifest, s.key("dataset"), beton=s.beton)
    calibration.calibrate(s, algorithm, data, output, device=device)


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
@masks_option
@margins_option
@data_option
@threads_option
@output_option
def grams(
    study: Path,
    algorithm: str,
    masks: Path,
    margins: Path,
    manifest: Path,
    threads: int,
    output: Path,
) -> None:
    """Sum what the fits of ALGORITHM share into grams.npz beside OUTPUT, which says of what."""
    devices.claim(0, threads)
    from modeldiff.datamodels import step

    step.sum_grams(regression(study, algorithm, manifest, masks, margins), output)


@click.command()
@study_argument
@click.argument("algorithm")
@masks_option
@margins_option
@click.option("--grams", type=FILE, required=True, help="What `modeldiff grams` wrote.")
@click.option("--part", type=(int, int), required=True, help="Which share of the targets: i n.")
@data_option
@gpu_option
@threads_option
@output_option
def fit(
    study: Path,
    algorithm: str,
    masks: Path,
    margins: Path,
    grams: Path,
    part: tuple[int, int],
    manifest: Path,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Fit the I-th of N shares of the targets of ALGORITHM, I from 0."""
    device = devices.claim(gpu, threads)
    from modeldiff.datamodels import step

    data = regression(study, algorithm, manifest, masks, margins)
    step.fit_part(data, grams, part, output, device=device)


@click.command()
@study_argument
@click.argument("algorithm")
@click.argument("parts", type=FILE, nargs=-1)
@masks_option
@margins_option
@data_option
@gpu_option
@threads_option
@output_option
def datamodels(
    study: Path,
    algorithm: str,
    parts: tuple[Path, ...],
    masks: Path,
    margins: Path,
    manifest: Path,
    gpu: int,
    threads: int,
    output: Path,
) -> None:
    """Fit the datamodels of ALGORITHM, or join PARTS, and see how well they predict."""
    device = devices.claim(gpu, threads)
    from modeldiff.datamodels import step

    data = regression(study, algorithm, manifest, masks, margins)
    step.write(data, output, parts, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.argument("models", type=FILE, nargs=-1)
@click.option("--weights", "given", type=FILE, nargs=2, required=True, help="Of both, in order.")
@data_option
@threads_option
@output_option
def comparison(
    study: Path,
    pair: tuple[str, str],
    models: tuple[Path, ...],
    given: tuple[Path, Path],
    manifest: Path,
    threads: int,
    output: Path,
) -> None:
    """Find what sets the two algorithms of PAIR apart, both ways.

    MODELS: masks of all subsets, then margins of either algorithm's models; a contrast needs them.
    """
    from modeldiff import comparison, dataset

    devices.claim(0, threads)
    s = Study.read(study)
    targets = np.array(dataset.read_manifest(manifest, s.key("dataset"))["targets"])
    a, b = (comparison.weights(s, *each) for each in zip(pair, given, strict=True))
    comparison.write(s, pair, (a, b), targets, output, models)


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
    device = devices.claim(gpu, threads)
    from modeldiff import dataset, verification

    data = dataset.read(manifest, s.key("dataset"))
    verification.predict(s, algorithm, data, checkpoints, output, device=device)


@click.command()
@study_argument
@click.argument("pair", nargs=2)
@click.argument("predictions", type=FILE, nargs=-1)
@output_option
def verification(
    study: Path, pair: tuple[str, str], predictions: tuple[Path, ...], output: Path
) -> None:
    """Tabulate effects, with intervals, on the algorithms of PAIR and on those of no pair.

    PREDICTIONS: of the pair, then of the others in the order of the config.
    """
    from modeldiff import verification

    s = Study.read(study)
    verification.write(s, pair, dict(zip(s.verified(*pair), predictions, strict=True)), output)


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
    beton,
    subsets,
    calibrate,
    train,
    margins,
    grams,
    fit,
    datamodels,
    scores,
    comparison,
    predictions,
    verification,
    trials,
    candidates,
    report,
    found,
)
