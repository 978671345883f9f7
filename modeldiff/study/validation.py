"""Is this config a study? Every mistake gives one line: file, key, what would be right."""

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators

from modeldiff.core.errors import VALUE, UserError, printable, shortened, shown
from modeldiff.study import (
    columns,
    components,
    config_file,
    estimators,
    finishing,
    former_names,
    given_scores,
    kinds,
    limits,
    mistakes,
    presets,
    proving,
    sizes,
)
from modeldiff.study.config_file import KeyPath
from modeldiff.study.config_file import parse as parse
from modeldiff.study.kinds import Kind
from modeldiff.study.schema import schema
from modeldiff.study.sizes import known_sizes, subset_size

FEWEST_TRAK = 200  # training images, and fewer, are too few for TRAK's random projections

Parsed = Sequence[tuple[str, Mapping[str, Any]]]  # names of files, and what they hold


def check(config: Mapping[str, Any], files: Sequence[str | Path] = ()) -> dict[str, Any]:
    """A copy of `config` with defaults filled in; UserError for the first mistake.

    files: where the config was read from, later ones over earlier ones. What none of them holds
    was given on the command line.
    """
    parsed = [(str(file), config_file.parse(file)) for file in files]
    checked = shaped(config, parsed)
    for path, what in _impossible(checked):
        raise _wrong(path, what, parsed)
    return checked


def shaped(config: Mapping[str, Any], parsed: Parsed = ()) -> dict[str, Any]:
    """As `check`, but by the schema alone: nothing is imported or looked for."""
    try:
        checked: dict[str, Any] = config_file.plain(dict(config))
    except config_file.NotPlain as error:
        raise _wrong(error.path, error.what, parsed) from None
    for line in former_names.replace(checked):
        print(f"modeldiff: {line}", file=sys.stderr)
    presets.fill(checked)
    found = sorted(_Filling(schema()).iter_errors(checked), key=mistakes.rank)
    if found:
        path, what = mistakes.explain(found[0])
        raise _wrong(path, what, parsed)
    return checked


def _wrong(path: KeyPath, what: str | UserError, parsed: Parsed) -> UserError:
    """The message for a mistake: the file that the key stands in, the key, what would be right."""
    details = what.details if isinstance(what, UserError) else ""
    return UserError(f"{_file_of(path, parsed)}: {dotted(path)}: {what}", details)


def _fill_defaults(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """jsonschema's documented way to fill in defaults while validating."""
    if isinstance(instance, dict):
        for name, entry in properties.items():
            if isinstance(entry, dict) and "default" in entry:
                instance.setdefault(name, copy.deepcopy(entry["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


def _is_integer(checker: Any, value: Any) -> bool:
    """JSON Schema takes 2.0 for an integer, but Python counts by it no more than by 2.5."""
    return isinstance(value, int) and not isinstance(value, bool)


_Filling = validators.extend(
    Draft202012Validator,
    {"properties": _fill_defaults},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def dotted(path: KeyPath) -> str:
    """A key as it is written in messages: `algorithms.plain.epochs`."""
    return ".".join(shortened(printable(str(part)), VALUE) for part in path) or "(top level)"


def _file_of(path: KeyPath, parsed: Parsed) -> str:
    """The last file that holds the longest part of `path`."""
    best, depth = "--config" if not parsed else parsed[-1][0], 0
    for name, content in parsed:
        held, node = 0, content
        for part in path:
            try:
                node = node[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                break
            held += 1
        if held and held >= depth:
            best, depth = name, held
    return best


def _impossible(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str | UserError]]:
    """What no schema can say: keys that contradict each other or the data."""
    algorithms = config["algorithms"]
    yield from presets.contradicted(config)
    yield from _imports(config)
    yield from _pairs(config["comparison"]["pairs"], algorithms)
    yield from given_scores.impossible(config)
    if "proof" in config:
        yield from proving.of_proof(config["proof"], config["comparison"]["directions"])
    yield from _subsets(config)
    yield from limits.exceeded(config)

    estimator = config["datamodels"]["estimator"]
    if "prior" in config["datamodels"] and estimator != "ridge":
        what = f"is for ridge, but `estimator` is {shown(estimator)}: remove it, or take ridge"
        yield ("datamodels", "prior"), what
    if estimator == "multiplicative_weights" and config["datamodels"]["folds"] is not None:
        what = "is for lasso; multiplicative_weights goes through the models once: remove it"
        yield ("datamodels", "folds"), what
    split = config["datamodels"]["jobs"]
    if ":" in estimator and split > 1:
        what = f"is {split}; an estimator of your own fits all targets at once: 1 would be right"
        yield ("datamodels", "jobs"), what

    wanted = config["training"]["minutes_per_job"]
    limit = config["training"]["minutes"]
    if wanted is not None and wanted >= limit:
        what = f"is {wanted}; must be below `minutes`, {limit}, the time limit of a job"
        yield ("training", "minutes_per_job"), what

    yield from finishing.contradicted(config)
    yield from estimators.contradicted(config)
    for name, entry in algorithms.items():
        if entry.get("precision") == "float16" and not config["training"]["gpu"]:
            what = "is float16, for GPUs only; `training: {gpu: 1}`, or bfloat16, would be right"
            yield ("algorithms", name, "precision"), what

    for name, entry in config["verification"]["transformations"].items():
        if entry["strengths"] != sorted(entry["strengths"]):
            yield ("verification", "transformations", name, "strengths"), "must rise"

    full = config["verification"]["models"]
    if (tried := config["verification"].get("candidates", 0)) > full:
        what = f"is {tried}; must be at most `models`, {full}: candidates train none of their own"
        yield ("verification", "candidates"), what

    yield from proving.of_mining(config)
    yield from proving.of_baselines(config.get("baselines", {}))

    yield from columns.contradicted(config["dataset"])
    kind = kinds.of_source(config["dataset"]["name"])
    if kind is not None:
        yield from kinds.unsuited(config, kind)
    data_sizes = known_sizes(config["dataset"]["name"], config["dataset"])
    if data_sizes is not None:  # else the dataset step checks the same once it has the images
        yield from against_data(config, *data_sizes)


def against_data(
    config: Mapping[str, Any],
    n_train: int,
    n_test: int,
    classes: Sequence[str],
    kind: Kind | None = None,
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a config for a data set of that many examples and these classes.

    kind: of the examples, where it is not known by the source's name.
    """
    if kind is not None:
        yield from kinds.unsuited(config, kind)
    yield from _classes(config, classes)
    alpha = config["subsets"]["alpha"] if "subsets" in config else 1.0
    chosen = subset_size(n_train, alpha)
    if chosen < 1:
        what = f"is {alpha}: a subset of {n_train} training images has none"
        yield ("subsets", "alpha"), f"{what}; must be at least {1 / n_train:.2g}"
    yield from finishing.too_few(config, chosen)
    plant = config["dataset"].get("plant")
    if plant and plant["train"] > n_train // 2:
        what = f"is {plant['train']} of {n_train} training images; must be at most half"
        yield ("dataset", "plant", "train"), what
    share = config["dataset"]["verification_share"]
    targets = n_test - round(n_test * share)
    if targets > n_test - 2:
        what = f"is {share}: of {n_test} test images two or more must be left to measure effects on"
        yield ("dataset", "verification_share"), what
    for key, most in (("directions", min(targets - 1, n_train)), ("examples", targets)):
        if config["comparison"][key] > most:
            what = f"is {config['comparison'][key]}; must be at most {most} ({targets} targets)"
            yield ("comparison", key), what
    if config["datamodels"]["jobs"] > targets:
        what = f"is {config['datamodels']['jobs']}; must be at most the number of targets"
        yield ("datamodels", "jobs"), f"{what}, {targets}"
    if config["verification"]["transformations"] and targets == n_test:
        what = f"is {config['dataset']['verification_share']}, which leaves none of {n_test} test"
        yield (
            ("dataset", "verification_share"),
            f"{what} images to measure effects on; must be more",
        )
    for name, entry in config["algorithms"].items():
        scores = entry.get("scores", {})
        if scores.get("name") == "trak" and not scores["proj_dim"] and n_train <= FEWEST_TRAK:
            what = f"is trak, but there are {n_train} training images"
            yield ("algorithms", name, "scores", "name"), f"{what}; it needs {FEWEST_TRAK + 1}"


def _pairs(pairs: Sequence[Sequence[str]], algorithms: Mapping[str, Any]) -> Iterator[Any]:
    seen = set()
    for i, pair in enumerate(pairs):
        for j, name in enumerate(pair):
            if name not in algorithms:
                names = mistakes.any_of(name, list(algorithms), ", ")
                what = f"is {shown(name)}; must be an algorithm: {names}"
                yield ("comparison", "pairs", i, j), what
        if pair[0] == pair[1]:
            yield ("comparison", "pairs", i), f"compares {shown(pair[0])} with itself; name two"
        if frozenset(pair) in seen:
            yield ("comparison", "pairs", i), f"{pair[0]} and {pair[1]} stand there already"
        seen.add(frozenset(pair))


def _subsets(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Enough models, wherever datamodels are fitted."""
    if "subsets" not in config:
        compared = [name for pair in config["comparison"]["pairs"] for name in pair]
        if any("scores" not in config["algorithms"][name] for name in compared):
            yield ("subsets",), "is missing"
        return
    split, evaluation = config["subsets"], config["subsets"]["evaluation"]
    held_out = evaluation["subsets"] * evaluation["repeats"]
    if held_out < 50:
        what = f"{held_out} models to evaluate on are too few; subsets times repeats must be 50"
        yield ("subsets", "evaluation", "subsets"), f"{what} or more"
    if evaluation["subsets"] < 3:
        what = f"is {evaluation['subsets']}; must be at least 3: the LDS ranks them"
        yield ("subsets", "evaluation", "subsets"), what
    contrast = config["comparison"]["method"] == "contrast"
    fewest = sizes.FEWEST_COMPARED if contrast else sizes.FEWEST
    fitted = split["models"] - held_out
    if fitted < fewest:
        what = f"is {split['models']}, of which {held_out} are for evaluation"
        why = f": {'a contrast compares' if contrast else 'datamodels are fitted'} on {fewest}"
        yield ("subsets", "models"), f"{what}; must be at least {held_out + fewest}{why} or more"
    folds = config["datamodels"]["folds"]
    if folds is not None and folds > fitted:
        what = f"is {folds}; must be at most the models that are fitted, {fitted}"
        yield ("datamodels", "folds"), what


def _classes(config: Mapping[str, Any], classes: Sequence[str]) -> Iterator[Any]:
    methods = config.get("baselines", {}).get("methods", [])
    if "automata" in methods and len(classes) != 2:
        what = f"is automata, which are of two classes, not of {len(classes)}: remove it"
        yield ("baselines", "methods", methods.index("automata")), what
    plant = config["dataset"].get("plant")
    named: list[tuple[KeyPath, str]] = (
        [(("dataset", "plant", "class"), plant["class"])] if plant else []
    )
    for name, entry in config["verification"]["transformations"].items():
        named.append((("verification", "transformations", name, "class"), entry["class"]))
    named += finishing.classes(config)
    for path, value in named:
        if value not in classes:
            names = mistakes.any_of(value, classes, ", ")
            yield path, f"is {shown(value)}; must be a class: {names}"


def _imports(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, UserError]]:
    """Import every part of the user's own, and see whether it takes the options given."""
    entries: list[tuple[KeyPath, str]] = [
        (("dataset", "name"), config["dataset"]["name"]),
        (("datamodels", "estimator"), config["datamodels"]["estimator"]),
    ]
    for name, algorithm in config["algorithms"].items():
        at: KeyPath = ("algorithms", name)
        parts = (k for k in ("model", "train", "finish") if k in algorithm)
        entries += [((*at, k, "name"), algorithm[k]["name"]) for k in parts]
        for kind in ("preprocess", "augment"):
            steps = enumerate(algorithm.get(kind, ()))
            entries += [((*at, kind, i, "name"), step["name"]) for i, step in steps]
    for name, entry in config["verification"]["transformations"].items():
        entries.append((("verification", "transformations", name, "name"), entry["name"]))
    for i, method in enumerate(config.get("baselines", {}).get("methods", [])):
        entries.append((("baselines", "methods", i), method))
    if plant := config["dataset"].get("plant"):
        entries.append((("dataset", "plant", "feature"), plant["feature"]))
    for path, part in entries:
        if ":" in part:
            try:
                components.load(part)
            except UserError as error:
                yield path, error
