"""Arguments and options that commands share, and what is made of them."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modeldiff.core import devices, paths
from modeldiff.core.errors import UserError, shown
from modeldiff.study import Study

if TYPE_CHECKING:
    from modeldiff.datamodels.step import Regression


class Given(click.ParamType):  # type: ignore[type-arg]
    """A path; UserError for one that no file can have, and for a pipe, which would wait forever.

    folder: whether a folder is meant; written: whether it will be written, and need not exist.
    """

    name = "path"

    def __init__(self, *, folder: bool = False, written: bool = False):
        self.folder, self.written = folder, written

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """The path. It may be missing, which is left to its reader to report."""
        if self.written:
            for what in paths.unfit(value if self.folder else Path(value).parent):
                raise UserError(f"{value}: {what}")
        paths.check(value, folder=self.folder)
        return Path(value)


FILE = Given()
FOLDER = Given(folder=True)
OUTPUT = Given(written=True)
OUTPUT_FOLDER = Given(folder=True, written=True)


class Range(click.ParamType):  # type: ignore[type-arg]
    """`first:stop`, a range of models."""

    name = "first:stop"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        """`0:250` as range(0, 250)."""
        first, _, stop = str(value).partition(":")
        digits = first.isdecimal() and stop.isdecimal() and len(value) < 40
        if not (digits and int(first) < int(stop)):
            self.fail(
                f"{shown(value)} must be first:stop with first < stop, e.g. 0:250", param, ctx
            )
        return range(int(first), int(stop))


class Config(click.ParamType):  # type: ignore[type-arg]
    """A config (YAML), or the checked study of a results folder (study.json), as a `Study`."""

    name = "study"

    def convert(self, value: Any, param: Any, ctx: Any) -> Study:
        """The checked study; UserError for the first mistake in it."""
        return Study.read(value)


class Results(click.ParamType):  # type: ignore[type-arg]
    """The folder of a study's results; taken for it are a file in it, and the study's config."""

    name = "results"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """The folder. It may be missing, which is left to its reader to report."""
        paths.check(value, folder=Path(value).is_dir())
        if Path(value).suffix in (".yaml", ".yml"):
            return Path(Study.read(value).folder)
        return Path(value).parent if Path(value).is_file() else Path(value)


def known(ctx: click.Context, param: click.Parameter, algorithm: str) -> str:
    """The algorithm; UserError unless the study, which comes before it, has models of it."""
    study: Study = ctx.params["study"]
    if algorithm not in study.with_models:
        names = ", ".join(study.with_models)
        raise UserError(f"algorithm {algorithm!r}: study {study.name} trains {names or 'none'}")
    return algorithm


def check_pair(
    study: Study, pair: tuple[str, str], pairs: Sequence[tuple[str, str]], does: str
) -> None:
    """UserError unless the pair is one of those that the study does something with."""
    if pair not in pairs:
        of = ", ".join(" and ".join(each) for each in pairs) or "no pair"
        raise UserError(f"{' and '.join(pair)}: study {study.name} {does} {of}")


def check_of_pair(pair: tuple[str, str], algorithm: str) -> None:
    """UserError unless the algorithm is one of the pair."""
    if algorithm not in pair:
        raise UserError(f"algorithm {algorithm!r}: must be one of {' and '.join(pair)}")


study_argument = click.argument("study", type=Config())
algorithm_argument = click.argument("algorithm", callback=known)


def output_option(command: Any) -> Any:
    """Where the result goes."""
    return click.option("--output", "-o", type=OUTPUT, required=True, help="What to write.")(
        command
    )


pair_argument = click.argument("pair", nargs=2)
data_option = click.option(
    "--dataset", "manifest", type=FILE, required=True, help="Manifest of the prepared data set."
)
masks_option = click.option("--masks", type=FILE, required=True, help="Masks of all subsets.")
margins_option = click.option("--margins", type=FILE, required=True, help="Margins of all models.")
gradients_option = click.option(
    "--gradients", type=FILE, help="What `modeldiff gradients` wrote, where the study has a prior."
)
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), default=1, help="CPU threads."
)
json_option = click.option("--json", "as_json", is_flag=True, help="For a program: JSON.")


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """--gpu and --threads, for a command that takes the torch `device` it may compute on."""

    @click.option(
        "--gpu", type=click.IntRange(0, 1024), default=0, help="GPUs to use; 0 is the CPU."
    )
    @threads_option
    @wraps(command)
    def claimed(*, gpu: int, threads: int, **given: Any) -> None:
        command(device=devices.claim(gpu, threads), **given)

    return claimed


def regression(
    study: Study,
    algorithm: str,
    manifest: Path,
    masks: Path,
    margins: Path,
    gradients: Path | None = None,
) -> "Regression":
    """What the fits of an algorithm read."""
    from modeldiff import dataset
    from modeldiff.datamodels.step import Regression

    n_train = dataset.read_manifest(manifest, study.key("dataset"))["train"]
    dataset.check_trained_on(margins, dataset.digest(manifest))
    return Regression(study, algorithm, n_train, masks, margins, gradients)
