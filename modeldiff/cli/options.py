"""Arguments and options that commands share."""

from pathlib import Path
from typing import Any

import click

from modeldiff.errors import UserError

FILE = click.Path(path_type=Path)


class Range(click.ParamType):  # type: ignore[type-arg]
    """`first:stop`, a range of models."""

    name = "first:stop"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        """`0:250` as range(0, 250)."""
        first, _, stop = str(value).partition(":")
        if not (first.isdecimal() and stop.isdecimal() and int(first) < int(stop)):
            self.fail(f"{value!r} must be first:stop with first < stop, e.g. 0:250", param, ctx)
        return range(int(first), int(stop))


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
json_option = click.option("--json", "as_json", is_flag=True, help="For a program: JSON.")


def torch_device(gpu: int, threads: int) -> str:
    """The torch device for a job that was given `gpu` GPUs and `threads` CPU threads."""
    import torch

    torch.set_num_threads(threads)
    if gpu and not torch.cuda.is_available():
        raise UserError("--gpu: no GPU is visible to torch here; set `training: {gpu: 0}`")
    return "cuda" if gpu else "cpu"
