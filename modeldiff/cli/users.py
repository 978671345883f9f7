"""The commands that people give."""

import json
import re
import time
from pathlib import Path
from typing import Any

import click
import jinja2
import yaml

from modeldiff import checks, files
from modeldiff import plan as plans
from modeldiff import status as states
from modeldiff.cli.options import FILE, json_option, torch_device
from modeldiff.errors import UserError
from modeldiff.study import Study

ROWS = ("raw", "unit", "root")  # as in `comparison`, which takes half a second to import
TEMPLATE = Path(__file__).parent / "new.yaml.jinja"

config_argument = click.argument("config", type=FILE)


@click.command()
@click.argument("name")
@click.option("--output", "-o", type=FILE, help="The config to write.  [default: config/NAME.yaml]")
@click.option("--images", help="Folder or tar archive of images.  [default: data/NAME]")
@click.option("--own", metavar="MODULE", help="Your module with functions data, model and train.")
def new(name: str, output: Path | None, images: str | None, own: str | None) -> None:
    """Write a commented config for a study NAME of your own data and algorithms.

    Without --own it compares two recipes on images in folders, train/CLASS/* and test/CLASS/*;
    with it the data set, the model and the training function come from your own module.
    """
    label = yaml.safe_load(checks.SCHEMA.read_text())["$defs"]["label"]
    if not re.search(label["pattern"], name):
        raise UserError(f"NAME: is {name!r}; must be {label['description']}")
    if own is not None and (images is not None or not re.fullmatch(r"[A-Za-z_][\w.]*", own)):
        raise UserError("--own: must be a module like `mine` or `package.mine`, without --images")
    path = output or Path(f"config/{name}.yaml")
    if path.exists():
        raise UserError(f"{path}: is there already; choose another --output")
    template = jinja2.Template(TEMPLATE.read_text(), keep_trailing_newline=True)
    values = {"images": json.dumps(images or f"data/{name}"), "own": own, "file": path}
    with files.whole(path) as file:
        file.write(template.render(name=json.dumps(name), **values).encode())
    click.echo(f"{path}: written; edit it, then: modeldiff check {path}")


@click.command()
@config_argument
@click.option("--output", "-o", type=FILE, help="Also write it with all defaults (JSON).")
@json_option
def check(config: Path, output: Path | None, as_json: bool) -> None:
    """Check CONFIG and say what the study will do.

    Tries every import path, looks for the data, prepares and trains nothing. Exit code 1 and one
    line (file, key, what would be right) for the first mistake.
    """
    study = Study.read(config)
    outline = plans.outline(study)
    if output:
        study.write(output)
    show(outline, as_json, "\n".join(plans.lines(outline)))


@click.command()
@config_argument
@click.option("--models", type=click.IntRange(1), help="Models of each algorithm in the pilot.")
@json_option
def plan(config: Path, models: int | None, as_json: bool) -> None:
    """Train a few models of CONFIG's algorithms and say what the study will cost.

    Seconds per model, hours, jobs and disk of the whole study's training. The pilot trains as many
    models of each algorithm as are trained at once (at least 5), and keeps none.
    """
    study = Study.read(config)
    outline = plans.outline(study)
    training = study.config["training"]
    device = torch_device(training["gpu"], training["threads"])
    from modeldiff import pilot

    cost = pilot.measure(study, device=device, models=models)
    text = "\n".join([*plans.lines(outline), *pilot.lines(cost)])
    show(outline | cost, as_json, text)


@click.command()
@click.argument("folder", type=FILE)
@click.option("--watch", is_flag=True, help="Say it again every two seconds until all is done.")
@json_option
def status(folder: Path, watch: bool, as_json: bool) -> None:
    """How far the study in FOLDER (results/NAME) is.

    Models trained, failed and running, rate, time left, and which room each algorithm is in; from
    the files alone, so that it works on any machine that sees them, while the study runs or not.
    """
    while True:
        found = states.read(folder)
        if watch and not as_json:
            click.clear()
        show(found.as_json(), as_json, "\n".join(states.lines(found)))
        if not watch or found.report:
            return
        time.sleep(2)


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--transposed", is_flag=True, help="Both files are [train examples x targets].")
@click.option("--key", help="Which array, in files that hold several.")
@click.option("--rows", type=click.Choice(ROWS), default="raw", show_default=True, help="Scaling.")
@click.option("--directions", type=click.IntRange(1), default=10, show_default=True)
@click.option("--examples", type=click.IntRange(1), default=20, show_default=True, help="Per end.")
@click.option("--output", "-o", type=FILE, help="Folder for page, summary and arrays.")
@json_option
def compare(
    a: Path,
    b: Path,
    transposed: bool,
    key: str | None,
    rows: str,
    directions: int,
    examples: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Compare two files of scores, without training anything.

    A and B hold one number for each target and training example, [targets x train examples]
    unless --transposed: datamodels, TRAK or any other attribution. Kinds: .npy, .npz, .pt, .pth
    (loaded as weights only) and .safetensors.
    """
    from modeldiff import scores

    arrays = [scores.read(path, transposed=transposed, key=key) for path in (a, b)]
    if arrays[0].shape != arrays[1].shape:
        shapes = " and ".join(str(list(array.shape)) for array in arrays)
        raise UserError(f"{a} and {b}: hold {shapes} [targets x train]; must have one shape")
    found = scores.compare(*arrays, directions=directions, rows=rows, examples=examples)
    names = (a.stem, b.stem) if a.stem != b.stem else (str(a), str(b))
    if output:
        scores.write(found, names, output)
    text = list(scores.lines(found, names))
    show(scores.summary(found, names), as_json, "\n".join(text))
    if output and not as_json:
        click.echo(f"page: {output}/comparison.html")


def show(content: Any, as_json: bool, text: str) -> None:
    """One result, for a program or for people."""
    click.echo(json.dumps(content, indent=1) if as_json else text)


COMMANDS = (new, check, plan, status, compare)
