"""The commands that people give."""

import json
import re
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from modeldiff.cli.options import (
    FILE,
    OUTPUT,
    OUTPUT_FOLDER,
    Config,
    Results,
    json_option,
    study_argument,
)
from modeldiff.core import arguments, artifacts, devices
from modeldiff.core.errors import UserError, printable, shown
from modeldiff.jobs import changes
from modeldiff.jobs import status as states
from modeldiff.planning import estimate as estimates
from modeldiff.planning import plan as plans
from modeldiff.study import Study, config_file, stages
from modeldiff.study.section import LABEL, LABEL_MUST_BE

ROWS = ("raw", "unit")  # as in `comparison`, which takes half a second to import
TEMPLATE = Path(__file__).parent / "new.yaml.jinja"

config_argument = click.argument("study", metavar="CONFIG", type=Config())


@click.command()
@click.argument("name")
@click.option(
    "--output", "-o", type=OUTPUT, help="The config to write.  [default: config/NAME.yaml]"
)
@click.option("--images", help="Folder or tar archive of images.  [default: data/NAME]")
@click.option("--own", metavar="MODULE", help="Your module with functions data, model and train.")
def new(name: str, output: Path | None, images: str | None, own: str | None) -> None:
    """Write a commented config for a study NAME of your own.

    Without --own, the study compares two recipes on images in folders, train/CLASS/* and
    test/CLASS/*. With it, data set, model and training function come from your own module.
    """
    import jinja2

    if not re.search(LABEL, name):
        raise UserError(f"NAME: is {shown(name)}; must be {LABEL_MUST_BE}")
    if images is not None and not config_file.encodable(images):
        raise UserError(f"--images: is {shown(images)}; must be a path that a text file can hold")
    if own is not None and (images is not None or not re.fullmatch(r"[A-Za-z_][\w.]*", own)):
        raise UserError("--own: must be a module like `mine` or `package.mine`, without --images")
    path = output or Path(f"config/{name}.yaml")
    if path.exists():
        raise UserError(f"{path}: exists already; choose another --output")
    template = jinja2.Template(TEMPLATE.read_text(), keep_trailing_newline=True)
    written = json.dumps(images or f"data/{name}", ensure_ascii=False)
    values = {"images": written, "own": own, "file": shlex.quote(printable(str(path)))}
    with artifacts.atomic_write(path) as file:
        file.write(template.render(name=json.dumps(name), **values).encode())
    click.echo(f"{path}: written; edit it, then: modeldiff check {path}")


@click.command()
@config_argument
@click.option("--output", "-o", type=OUTPUT, help="Also write it with all defaults (JSON).")
@json_option
def check(study: Study, output: Path | None, as_json: bool) -> None:
    """Check CONFIG, try its parts, and say what the study will do.

    Imports every part, looks for the data (calls your own `data()`), trains two steps of each
    algorithm (or runs your own training function on a few examples) and applies each feature to
    images. Nothing is kept. Says what has changed since the study was last run, and which models
    must be trained again. For the first mistake, prints one line (file, key or import path, and
    what would be right) and exits with code 1.
    """
    outline = plans.outline(study)
    from modeldiff.planning import dry_run

    devices.claim(0, study.training.threads)
    tried = list(dry_run.run(study))
    if output:
        study.write(output)
    changed = [*changes.lines(study), *changes.data(study)]
    content = outline | {"tried": [line.strip() for line in tried], "changed": changed}
    show(content, as_json, "\n".join([*plans.lines(outline), *tried, *changed]))


@click.command()
@config_argument
@click.option("--sha256", help="Checksum that the image files must have, as printed before.")
def check_data(study: Study, sha256: str | None) -> None:
    """Check that CONFIG's data are complete.

    Every image is opened; nothing is written. If something is wrong, prints one line with the
    expected and actual counts, and exits with code 1.
    """
    from modeldiff.dataset import check

    for line in check.check(study.dataset, sha256):
        click.echo(line)


@click.command()
@click.argument("study", metavar="[CONFIG]", type=Config(), required=False)
@click.option(
    "--lds",
    type=click.FloatRange(0, 1, True, True),
    help="Also forecast the models needed for this LDS.",
)
@click.option("--images", type=click.IntRange(2), help="Without CONFIG: training images.")
@click.option("--recipe", help="Without CONFIG: resnet9, airbench, convnet or mlp.")
@click.option(
    "--targets", type=click.IntRange(2), help="Without CONFIG: test images.  [default: a fifth]"
)
@json_option
def plan(
    study: Study | None,
    lds: float | None,
    images: int | None,
    recipe: str | None,
    targets: int | None,
    as_json: bool,
) -> None:
    """Train a little and say what CONFIG's study will cost.

    Prints seconds per model, and hours, jobs and disk of the whole study. The models trained for
    this are not kept. The models that an LDS needs, and the differences that a contrast will be
    able to show, are forecast from the models that the study has trained so far.

    Without CONFIG, `--images 50000 --recipe resnet9` estimates it from recipes that were measured
    before.
    """
    if study is None:
        if images is None or recipe is None:
            raise UserError("plan: takes a CONFIG, or --images and --recipe without one")
        counted = targets or max(2, images // 5)
        told = estimates.estimate(recipe, images, counted)
        said = "\n".join(estimates.lines(recipe, images, counted, told))
        show(asdict(told), as_json, said)
        return
    if images or recipe or targets:
        raise UserError("plan: takes a CONFIG, or --images and --recipe, not both")
    outline = plans.outline(study)
    device = devices.claim(study.training.gpu, study.training.threads)
    from modeldiff.planning import cost

    measured = cost.measure(study, device=device)
    text = [*plans.lines(outline), *cost.lines(measured)]
    if study.comparison.method == "contrast":
        from modeldiff.planning import power_forecast

        measured["power"] = power_forecast.forecast(study)
        text += power_forecast.lines(study, measured["power"])
    if lds is not None:
        from modeldiff.planning import lds_forecast

        measured["models_for_lds"] = lds_forecast.forecast(study, lds)
        text += lds_forecast.lines(study, lds, measured["models_for_lds"])
    show(outline | measured, as_json, "\n".join(text))


@click.command()
@config_argument
@click.argument("algorithm")
@click.option("--classes", required=True, help="Classes to train on, separated by commas.")
@click.option("--output", "-o", type=OUTPUT, required=True, help="The weights to write.")
def pretrain(study: Study, algorithm: str, classes: str, output: Path) -> None:
    """Train one model on other classes, and keep its weights to start from.

    The model is CONFIG's ALGORITHM. For studies of what pre-training changes: `model: {weights:
    OUTPUT}` starts from them. All training images of the classes are used; the accuracy on their
    test images is printed.
    """
    device = devices.claim(study.training.gpu, study.training.threads)
    from modeldiff.training import pretraining

    accuracy = pretraining.pretrain(study, algorithm, classes.split(","), output, device=device)
    click.echo(f"{output}: written; accuracy {accuracy:.1%} on the test images of {classes}")


@click.command()
@click.argument("folder", metavar="RESULTS", type=Results())
@click.option("--watch", is_flag=True, help="Repeat every two seconds until everything is done.")
@click.option("--lds", is_flag=True, help="Also how well the models that are there predict others.")
@click.option("--difference", is_flag=True, help="Also where pairs differ in these models.")
@json_option
def status(folder: Path, watch: bool, lds: bool, difference: bool, as_json: bool) -> None:
    """How far a study is. RESULTS is its folder (results/NAME), or its config.

    Prints models trained, failed and running, rate, time left, and the step that each algorithm is
    at. It only reads files, so it works on any machine that sees them, during a run or not.

    --lds takes some seconds more: quick datamodels of most models that are there, and their LDS on
    the others, which no datamodel has seen. So does --difference: agreement and first direction of
    each pair, a look ahead at the comparison.
    """
    while True:
        start = time.monotonic()
        state = states.read(folder)
        content = state.as_json()
        text = list(states.lines(state))
        if lds or difference:
            devices.claim(0, threads=1)  # a run that is going on has its own use for the others
        if lds:
            from modeldiff.planning import lds_so_far

            so_far = lds_so_far.read(folder)
            content["lds"] = {name: known and asdict(known) for name, known in so_far.items()}
            text += lds_so_far.lines(so_far)
        if difference:
            from modeldiff.planning import difference_so_far

            differences = difference_so_far.read(folder)
            content["differences"] = difference_so_far.as_json(differences)
            text += difference_so_far.lines(differences)
        if watch and not as_json:
            click.clear()
        show(content, as_json, "\n".join(text))
        if not watch or state.report:
            return
        time.sleep(max(2, 20 * (time.monotonic() - start)))  # a twentieth of a core at most


@click.command()
@study_argument
def skip_missing(study: Study) -> None:
    """Continue without the models whose jobs cannot be finished.

    STUDY is a config or a results folder's study.json. Writes shards without margins for all
    missing models, if they are no more than `training.allow_missing`. No run of the study may be
    going on.
    """
    from modeldiff.jobs import missing

    said = list(missing.skip_missing(study))
    click.echo("\n".join(said) or "no model is missing")


@click.command()
@click.argument("folder", metavar="RESULTS", type=Results())
def summary(folder: Path) -> None:
    """Print the result in a few lines. RESULTS is a study's folder, a file in it, or its config."""
    from modeldiff.report import terminal

    click.echo(terminal.lines(folder / stages.path("summary")))


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--transposed", is_flag=True, help="Both files are [train examples x targets].")
@click.option("--key", help="Which array, in files that hold several.")
@click.option("--rows", type=click.Choice(ROWS), default="raw", show_default=True, help="Scaling.")
@click.option("--directions", type=click.IntRange(1), default=10, show_default=True)
@click.option("--examples", type=click.IntRange(1), default=20, show_default=True, help="Per end.")
@click.option("--output", "-o", type=OUTPUT_FOLDER, help="Folder for page, summary and arrays.")
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
    unless --transposed: datamodels, TRAK or any other attribution. Formats: .npy, .npz, .pt, .pth
    (loaded as weights only) and .safetensors.
    """
    from modeldiff.attribution import score_files
    from modeldiff.report import score_comparison

    arrays = []
    for path in (a, b):
        array = score_files.read(path, transposed=transposed, key=key)
        arguments.finite_rows(path, array)
        arrays.append(array)
    shape_a, shape_b = (list(array.shape) for array in arrays)
    if shape_a != shape_b:
        wrong = f"{a} and {b}: hold {shape_a} and {shape_b} [targets x train]; must have one shape"
        turned = "; one of them is transposed" if shape_a == shape_b[::-1] else ""
        raise UserError(f"{wrong}{turned}")
    targets, train = shape_a
    if targets > train:
        click.echo(
            f"modeldiff: {targets:,} targets and {train:,} training examples: if it is the other "
            f"way round, {'leave out' if transposed else 'add'} --transposed",
            err=True,
        )
    compared = score_comparison.compare(
        *arrays, directions=directions, rows=rows, examples=examples
    )
    names = (a.stem, b.stem) if a.stem != b.stem else (str(a), str(b))
    if output:
        score_comparison.write(compared, names, output)
    text = list(score_comparison.lines(compared, names))
    show(score_comparison.summary(compared, names), as_json, "\n".join(text))
    if output and not as_json:
        click.echo(f"page: {output}/comparison.html")


def show(content: Any, as_json: bool, text: str) -> None:
    """One result, for a program or for people."""
    click.echo(json.dumps(content, indent=1) if as_json else text)


BEFORE_A_RUN = (new, check, check_data, plan, pretrain)
AFTERWARDS = (status, summary, skip_missing, compare)
