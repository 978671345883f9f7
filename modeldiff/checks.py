"""Is this config a study? Every mistake gives one line: file, key, what would be right."""

import copy
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from modeldiff import components, presets, subsets
from modeldiff.dataset.sources import expected
from modeldiff.errors import UserError

SCHEMA = Path(__file__).parents[1] / "config" / "schema.yaml"
if not SCHEMA.exists():  # installed from a wheel, which carries the schema inside the package
    SCHEMA = Path(__file__).parent / "schema.yaml"

FEWEST_TRAK = 200  # training images, and fewer, are too few for TRAK's random projections
MERGE = "tag:yaml.org,2002:merge"
Path_ = tuple[str | int, ...]


class _Unique(yaml.SafeLoader):
    """YAML in which no key may stand twice: two algorithms of one name are an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            name = key_node.value
            if key_node.tag != MERGE and name in seen:
                raise UserError(
                    f"{key_node.start_mark.name}: line {key_node.start_mark.line + 1}: "
                    f"`{name}` stands twice; give each its own name"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def parse(path: str | Path) -> dict[str, Any]:
    """Read a YAML (or JSON) file with keys at its top level."""
    try:
        with open(path, encoding="utf-8") as file:
            json_file = str(path).endswith(".json")  # YAML would read JSON's 1e-06 as text
            content = json.load(file) if json_file else yaml.load(file, _Unique)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: is not YAML or JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys at its top level, e.g. `study: digits`")
    return content


def check(config: Mapping[str, Any], files: Sequence[str | Path] = ()) -> dict[str, Any]:
    """A copy of `config` with defaults filled in; UserError for the first mistake.

    files: where the config was read from, later ones over earlier ones. What none of them holds
    was given on the command line.
    """
    parsed = [(str(file), parse(file)) for file in files]

    def fail(path: Path_, what: str | UserError) -> UserError:
        details = what.details if isinstance(what, UserError) else ""
        return UserError(f"{_file_of(path, parsed)}: {dotted(path)}: {what}", details)

    checked = copy.deepcopy(dict(config))
    presets.fill(checked)
    schema = yaml.safe_load(SCHEMA.read_text())
    errors = sorted(_Filling(schema).iter_errors(checked), key=_rank)
    for error in errors:
        raise fail(*_explain(error))
    for path, what in _impossible(checked):
        raise fail(path, what)
    return checked


def _fill_defaults(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """jsonschema's documented way to fill in defaults while validating."""
    if isinstance(instance, dict):
        for name, entry in properties.items():
            if isinstance(entry, dict) and "default" in entry:
                instance.setdefault(name, copy.deepcopy(entry["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


_Filling = validators.extend(Draft202012Validator, {"properties": _fill_defaults})


def _rank(error: ValidationError) -> tuple[int, int]:
    """Causes before consequences: a wrong name makes keys unknown, an unknown key one missing."""
    causes = {"enum": 0, "anyOf": 0, "additionalProperties": 1}
    return (causes.get(str(error.validator), 2), len(error.absolute_path))


def _explain(error: ValidationError) -> tuple[Path_, str]:
    """Where a schema error is and, in words, what would be right."""
    path = tuple(error.absolute_path)
    value, rule = error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(k for k in value if k not in known)
            near = difflib.get_close_matches(str(unknown), known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
            return (*path, unknown), f"is not a key; {hint}"
        case "required":
            missing = next(k for k in rule if k not in value)
            return (*path, missing), "is missing"
        case "type":
            return path, f"is {value!r}; must be {_type_words(rule)}{_number_hint(value, rule)}"
        case "enum" | "anyOf":
            options = rule if error.validator == "enum" else rule[0]["enum"]
            other = ", or an import path `package.module:name`"
            if rule[-1] == {"type": "integer", "minimum": 1}:
                other = " or a whole number of at least 1"
            own = "" if error.validator == "enum" else other
            near = difflib.get_close_matches(str(value), [str(o) for o in options], 1)
            hint = f" (did you mean `{near[0]}`?)" if near else ""
            return path, f"is {value!r}; must be {' or '.join(map(str, options))}{own}{hint}"
        case "pattern":
            return path, f"is {value!r}; must be {error.schema['description']}"
        case None:
            return path, "is not used together with `train`: remove one of them"
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "minItems": "a list of at least this many:",
        "maxItems": "a list of at most this many:",
        "minProperties": "at least this many entries:",
    }
    if error.validator in words:
        return path, f"is {value!r}; must be {words[error.validator]} {rule}"
    return path, " ".join(error.message.split())


def _type_words(rule: str | list[str]) -> str:
    names = {"object": "keys with values", "array": "a list", "null": "null", "string": "text"}
    names |= {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return " or ".join(names[r] for r in ([rule] if isinstance(rule, str) else rule))


def _number_hint(value: Any, rule: str | list[str]) -> str:
    """YAML 1.1 reads 1e-6 as text."""
    if isinstance(value, str) and rule in ("number", "integer"):
        try:
            return f" (write {float(value):.1e} with a point)" if "e" in value.lower() else ""
        except ValueError:
            pass
    return ""


def dotted(path: Path_) -> str:
    """A key as it is written in messages: `algorithms.plain.epochs`."""
    return ".".join(map(str, path)) or "(top level)"


def _file_of(path: Path_, parsed: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
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


def _impossible(config: Mapping[str, Any]) -> Iterator[tuple[Path_, str | UserError]]:
    """What no schema can say: keys that contradict each other or the data."""
    algorithms = config["algorithms"]
    yield from presets.contradicted(config)
    yield from _imports(config)
    yield from _pairs(config["comparison"]["pairs"], algorithms)
    yield from _scores(config)
    yield from _subsets(config)

    estimator, split = (config["datamodels"][k] for k in ("estimator", "jobs"))
    if ":" in estimator and split > 1:
        what = f"is {split}; an estimator of your own fits all targets at once: 1 would be right"
        yield ("datamodels", "jobs"), what

    wanted, limit = (config["training"][k] for k in ("minutes_per_job", "minutes"))
    if wanted is not None and wanted >= limit:
        what = f"is {wanted}; must be below `minutes`, {limit}, the time limit of a job"
        yield ("training", "minutes_per_job"), what

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

    sizes = expected(config["dataset"]["name"], config["dataset"])
    if sizes is not None:  # else the dataset step checks the same once it has the images
        yield from against_data(config, *sizes)


def against_data(
    config: Mapping[str, Any], n_train: int, n_test: int, classes: Sequence[str]
) -> Iterator[tuple[Path_, str]]:
    """What is wrong with a config for a data set of that many examples and these classes."""
    yield from _classes(config, classes)
    alpha = config["subsets"]["alpha"] if "subsets" in config else 1.0
    chosen = subsets.size(n_train, alpha)
    if chosen < 1:
        what = f"is {alpha}: a subset of {n_train} training images has none"
        yield ("subsets", "alpha"), f"{what}; must be at least {1 / n_train:.2g}"
    for name, entry in config["algorithms"].items():
        if entry.get("batch", 1) > max(chosen, 1):
            what = f"is {entry['batch']}, but a subset has {chosen} examples; must be at most that"
            yield ("algorithms", name, "batch"), what
    plant = config["dataset"].get("plant")
    if plant and plant["train"] > n_train // 2:
        what = f"is {plant['train']} of {n_train} training images; must be at most half"
        yield ("dataset", "plant", "train"), what
    targets = n_test - round(n_test * config["dataset"]["verification_share"])
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
                what = f"is {name!r}; must be an algorithm: {', '.join(algorithms)}"
                yield ("comparison", "pairs", i, j), what
        if pair[0] == pair[1]:
            yield ("comparison", "pairs", i), f"compares {pair[0]!r} with itself; name two"
        if frozenset(pair) in seen:
            yield ("comparison", "pairs", i), f"{pair[0]} and {pair[1]} stand there already"
        seen.add(frozenset(pair))


def _scores(config: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    """Algorithms whose scores come from elsewhere."""
    compared = {name for pair in config["comparison"]["pairs"] for name in pair}
    for name, entry in config["algorithms"].items():
        if "scores" not in entry:
            continue
        at, scores = ("algorithms", name), entry["scores"]
        given: list[tuple[Path_, str]] = [
            ((*at, "scores", "checkpoints", i), file)
            for i, file in enumerate(scores.get("checkpoints", ()))
        ]
        if "path" in scores:
            given.append(((*at, "scores", "path"), scores["path"]))
        for path, file in given:
            if not Path(file).is_file():
                yield path, f"is {file!r}, which is no file here; must be there"
        trained = bool(entry.keys() & {"train", "optimizer"})
        if "model" not in entry:
            if trained or scores["name"] == "trak":
                yield (*at, "model"), "is missing"
            for key in ("preprocess", "flip_average"):
                if entry[key]:
                    yield (*at, key), "is not used without `model`: remove it"
        elif scores["name"] == "file" and not trained:
            yield (*at, "model"), "is not used without `optimizer` or `train`: remove it"
        if name in compared and config["comparison"]["method"] == "contrast":
            what = f"is contrast, which compares models, but {name} has scores in their place"
            yield ("comparison", "method"), f"{what}; `residual` would be right"


def _subsets(config: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
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
    fewest = subsets.FEWEST_COMPARED if contrast else subsets.FEWEST
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
    plant = config["dataset"].get("plant")
    named: list[tuple[Path_, str]] = (
        [(("dataset", "plant", "class"), plant["class"])] if plant else []
    )
    for name, entry in config["verification"]["transformations"].items():
        named.append((("verification", "transformations", name, "class"), entry["class"]))
    for path, value in named:
        if value not in classes:
            yield path, f"is {value!r}; must be a class: {', '.join(classes)}"


def _imports(config: Mapping[str, Any]) -> Iterator[tuple[Path_, UserError]]:
    """Import every part of the user's own, and see whether it takes the options given."""
    entries: list[tuple[Path_, str]] = [
        (("dataset", "name"), config["dataset"]["name"]),
        (("datamodels", "estimator"), config["datamodels"]["estimator"]),
    ]
    for name, algorithm in config["algorithms"].items():
        at: Path_ = ("algorithms", name)
        parts = (k for k in ("model", "train") if k in algorithm)
        entries += [((*at, k, "name"), algorithm[k]["name"]) for k in parts]
        for kind in ("preprocess", "augment"):
            steps = enumerate(algorithm.get(kind, ()))
            entries += [((*at, kind, i, "name"), step["name"]) for i, step in steps]
    for name, entry in config["verification"]["transformations"].items():
        entries.append((("verification", "transformations", name, "name"), entry["name"]))
    if plant := config["dataset"].get("plant"):
        entries.append((("dataset", "plant", "feature"), plant["feature"]))
    for path, part in entries:
        if ":" in part:
            try:
                components.load(part)
            except UserError as error:
                yield path, error
