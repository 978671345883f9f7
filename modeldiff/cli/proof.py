"""The commands that propose differences and prove them by retraining."""

from pathlib import Path

import click

from modeldiff.cli.options import (
    FILE,
    Range,
    check_of_pair,
    check_pair,
    data_option,
    device_options,
    output_option,
    pair_argument,
    study_argument,
    threads_option,
)
from modeldiff.cli.verification import on_models
from modeldiff.core import devices
from modeldiff.core.errors import UserError
from modeldiff.study import Study


@click.command()
@on_models
def gradients(study: Study, **given: object) -> None:
    """Write how far training images raise margins, by gradients of models in CHECKPOINTS."""
    from modeldiff.attribution import influence_step

    if given["name"] not in study.differentiated:
        raise UserError(
            f"algorithms.{given['name']}: study {study.name} has no `proof` of it, and no prior"
        )
    influence_step.write(study=study, **given)  # type: ignore[arg-type]


@click.command()
@study_argument
@pair_argument
@click.argument("gradients", type=FILE, nargs=-1)
@click.option("--comparison", type=FILE, help="Of the pair, if its directions are proved, too.")
@data_option
@threads_option
@output_option
def proposals(
    study: Study,
    pair: tuple[str, str],
    gradients: tuple[Path, ...],
    comparison: Path | None,
    manifest: Path,
    threads: int,
    output: Path,
) -> None:
    """Propose where the two of PAIR differ, by GRADIENTS of both, in order, if they propose."""
    from modeldiff import dataset
    from modeldiff.proof import step

    check_pair(study, pair, study.proved, "proves")
    wanted = 2 if study.proof.proposals else 0
    if len(gradients) != wanted:
        raise UserError(f"GRADIENTS: are {len(gradients)} files; must be {wanted}")
    devices.limit_threads(threads)
    study, data = dataset.opened(study, manifest)
    step.write_proposals(study, pair, data, gradients, output, comparison=comparison)


@click.command()
@study_argument
@pair_argument
@click.argument("algorithm")
@click.argument("round_number", metavar="ROUND", type=click.IntRange(1))
@click.argument("proposals", type=FILE)
@data_option
@click.option("--models", type=Range(), required=True, help="Which models, first:stop.")
@click.option("--width", type=click.IntRange(1), help="Models at once.  [default: the study's]")
@click.option("--before", type=FILE, help="What `modeldiff proof` wrote of the rounds before.")
@device_options
@output_option
def retrain(
    study: Study,
    pair: tuple[str, str],
    algorithm: str,
    round_number: int,
    proposals: Path,
    manifest: Path,
    models: range,
    width: int | None,
    before: Path | None,
    device: str,
    output: Path,
) -> None:
    """Train models of ALGORITHM on sets chosen for PROPOSALS, and write their margins.

    After the first ROUND, only for what the rounds before leave open.
    """
    from modeldiff import dataset, training
    from modeldiff.proof import step

    check_pair(study, pair, study.proved, "proves")
    check_of_pair(pair, algorithm)
    study, data = dataset.opened(study, manifest, beton=study.beton)
    chosen = study.at_width(width) if width else study
    step.retrain(
        chosen,
        pair,
        algorithm,
        round_number,
        data,
        proposals,
        models,
        output,
        before=before,
        device=device,
    )
    training.finish()


@click.command()
@study_argument
@pair_argument
@click.argument("proposals", type=FILE)
@click.argument("retrained", type=FILE, nargs=-1, required=True)
@click.option("--rounds", type=click.IntRange(1), help="The first so many.  [default: all]")
@output_option
def proof(
    study: Study,
    pair: tuple[str, str],
    proposals: Path,
    retrained: tuple[Path, ...],
    rounds: int | None,
    output: Path,
) -> None:
    """Tabulate what the RETRAINED models of both of PAIR say of each proposal.

    RETRAINED: margins of all models of these rounds.
    """
    from modeldiff.proof import step

    check_pair(study, pair, study.proved, "proves")
    step.write(study, pair, rounds or study.proof.rounds, proposals, retrained, output)
