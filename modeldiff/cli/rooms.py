"""One command per room; each is what one Snakemake rule runs.

Every room takes the checked study (`study.json`) or a config, its inputs and `--output`.
"""

from pathlib import Path

import click
import numpy as np

from modeldiff.cli.baselines import baselines
from modeldiff.cli.mining import mine, removal
from modeldiff.cli.occlusion import occlusion
from modeldiff.cli.options import (
    FILE,
    Range,
    algorithm_argument,
    data_option,
    device_options,
    gradients_option,
    margins_option,
    masks_option,
    output_option,
    pair_argument,
    regression,
    study_argument,
    threads_option,
)
from modeldiff.cli.proof import gradients, proof, proposals, retrain
from modeldiff.cli.unlearning import unlearning
from modeldiff.cli.verification import candidates, predictions, trials, verification
from modeldiff.core import devices
from modeldiff.core.errors import UserError
from modeldiff.study import Study, stages


@click.command()
@study_argument
@output_option
def dataset(study: Study, output: Path) -> None:
    """Prepare the data set; OUTPUT is its manifest."""
    from modeldiff import dataset

    dataset.prepare(study, output)


@click.command()
@study_argument
@data_option
@output_option
def beton(study: Study, manifest: Path, output: Path) -> None:
    """Write the training images in FFCV's format."""
    from modeldiff import dataset
    from modeldiff.training import ffcv

    train = dataset.read(manifest, study.key("dataset")).train
    jpeg = study.training.jpeg
    ffcv.write(train.images, train.labels, output, study.key("beton"), jpeg)


@click.command()
@study_argument
@data_option
@output_option
def subsets(study: Study, manifest: Path, output: Path) -> None:
    """Draw the masks of all subsets, bit-packed."""
    from modeldiff import dataset, subsets

    n = dataset.read_manifest(manifest, study.key("dataset"))["train"]
    subsets.write(output, n, range(study.n_subsets), study.alpha, study.seed, study.key("subsets"))


@click.command()
@study_argument
@algorithm_argument
@data_option
@click.option("--models", type=Range(), required=True, help="Which models, first:stop.")
@click.option("--full", is_flag=True, help="On the full training set; writes weights.")
@click.option("--width", type=click.IntRange(1), help="Models at once.  [default: the study's]")
@device_options
@output_option
def train(
    study: Study,
    algorithm: str,
    manifest: Path,
    models: range,
    full: bool,
    width: int | None,
    device: str,
    output: Path,
) -> None:
    """Train a range of models of ALGORITHM and write their margins, or weights.

    Where the study has checkpoints of it, --full reads those instead.
    """
    from modeldiff import dataset, training
    from modeldiff.attribution import given_models

    chosen = width or study.training.width
    if chosen == "auto":
        raise UserError("--width: must be given, since the study has `width: auto`")
    study = study.at_width(chosen)
    job = training.train_full if full else training.train_shard
    if full and algorithm in study.with_checkpoints:
        job = given_models.write
    study, data = dataset.opened(study, manifest, beton=study.beton)
    job(study, algorithm, data, models, output, device=device)
    training.finish()


@click.command()
@study_argument
@algorithm_argument
@data_option
@device_options
@output_option
def calibrate(study: Study, algorithm: str, manifest: Path, device: str, output: Path) -> None:
    """Measure how many models of ALGORITHM at once train fastest, and how long one takes."""
    from modeldiff import dataset
    from modeldiff.training import calibration

    study, data = dataset.opened(study, manifest, beton=study.beton)
    calibration.calibrate(study, algorithm, data, output, device=device)


@click.command()
@study_argument
@algorithm_argument
@click.argument("shards", type=FILE, nargs=-1, required=True)
@output_option
def margins(study: Study, algorithm: str, shards: tuple[Path, ...], output: Path) -> None:
    """Gather the SHARDS of ALGORITHM into one array."""
    from modeldiff import dataset, margins

    manifest = Path(study.folder) / stages.path("dataset")
    dataset.read_manifest(manifest, study.key("dataset"))
    keys = study.key("training", algorithm), study.key("margins", algorithm)
    margins.gather(shards, keys[0], output, keys[1], dataset.digest(manifest))


@click.command()
@study_argument
@algorithm_argument
@masks_option
@margins_option
@data_option
@threads_option
@output_option
def grams(
    study: Study,
    algorithm: str,
    masks: Path,
    margins: Path,
    manifest: Path,
    threads: int,
    output: Path,
) -> None:
    """Sum what the fits of ALGORITHM share into grams.npz; OUTPUT, beside it, says of which."""
    devices.claim(0, threads)
    from modeldiff.datamodels import step

    step.sum_grams(regression(study, algorithm, manifest, masks, margins), output)


@click.command()
@study_argument
@algorithm_argument
@masks_option
@margins_option
@click.option("--grams", type=FILE, required=True, help="What `modeldiff grams` wrote.")
@click.option("--part", type=(int, int), required=True, help="Which share of the targets: i n.")
@gradients_option
@data_option
@device_options
@output_option
def fit(
    study: Study,
    algorithm: str,
    masks: Path,
    margins: Path,
    grams: Path,
    part: tuple[int, int],
    gradients: Path | None,
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Fit the I-th of N shares of the targets of ALGORITHM, I from 0."""
    from modeldiff.datamodels import step

    data = regression(study, algorithm, manifest, masks, margins, gradients)
    step.fit_part(data, grams, part, output, device=device)


@click.command()
@study_argument
@algorithm_argument
@click.argument("parts", type=FILE, nargs=-1)
@masks_option
@margins_option
@gradients_option
@data_option
@device_options
@output_option
def datamodels(
    study: Study,
    algorithm: str,
    parts: tuple[Path, ...],
    masks: Path,
    margins: Path,
    gradients: Path | None,
    manifest: Path,
    device: str,
    output: Path,
) -> None:
    """Fit the datamodels of ALGORITHM, or join PARTS, and evaluate how well they predict."""
    from modeldiff.datamodels import step

    data = regression(study, algorithm, manifest, masks, margins, gradients)
    step.write(data, output, parts, device=device)


@click.command()
@study_argument
@click.argument("algorithm")
@data_option
@device_options
@output_option
def scores(study: Study, algorithm: str, manifest: Path, device: str, output: Path) -> None:
    """Read, or compute by TRAK, the scores that ALGORITHM is compared by."""
    from modeldiff import dataset
    from modeldiff.attribution import step

    if algorithm not in study.scores:
        raise UserError(f"algorithm {algorithm!r}: has no scores in study {study.name}")
    study, data = dataset.opened(study, manifest)
    step.write(study, algorithm, data, output, device=device)


@click.command()
@study_argument
@pair_argument
@click.argument("models", type=FILE, nargs=-1)
@click.option("--weights", "given", type=FILE, nargs=2, required=True, help="Of both, in order.")
@data_option
@threads_option
@output_option
def comparison(
    study: Study,
    pair: tuple[str, str],
    models: tuple[Path, ...],
    given: tuple[Path, Path],
    manifest: Path,
    threads: int,
    output: Path,
) -> None:
    """Compare the two algorithms of PAIR, both ways.

    MODELS: masks of all subsets, then margins of either algorithm's models; a contrast needs them.
    """
    from modeldiff import comparison, dataset
    from modeldiff.dataset import groups

    devices.claim(0, threads)
    content = dataset.read_manifest(manifest, study.key("dataset"))
    targets = np.array(content["targets"])
    shape = len(targets), content["train"]
    a = comparison.weights(study, pair[0], given[0], shape)
    b = comparison.weights(study, pair[1], given[1], shape)
    labels = content["labels"]
    classes = np.array(labels["test"])[targets], np.array(labels["train"])
    known = groups.of_targets_and_examples(
        study.proof.groups, content["train"], content["test"], targets
    )
    comparison.write(study, pair, (a, b), targets, classes, output, models, known)


@click.command()
@click.argument("study", type=FILE)
def report(study: Path) -> None:
    """Write the page, the figures and the summary beside STUDY (a results folder's study.json)."""
    from modeldiff import report

    report.write(study)


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
    gradients,
    proposals,
    retrain,
    proof,
    mine,
    removal,
    occlusion,
    baselines,
    unlearning,
    report,
)
