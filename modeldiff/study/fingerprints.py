"""What a study's config only names: the user's own code, and files whose content is trained on.

An entry of the config (the data set, an algorithm, a transformation, the estimator...) has a
fingerprint for each module, package and file that its parts are made of. They are part of the keys
of what the entry makes, and are kept beside a run's checked study, so that a job knows whether it
runs the code that the run was started with.

An option of a part of the user's own that is the path of a file counts by the file's content, and
so do `weights` and `picture` of those that come with ModelDiff. A folder, and a file that the code
opens by a name of its own, do not: the data set that is prepared from them is compared instead.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.study import given_files
from modeldiff.study.columns import FROM_FILES

Fingerprints = dict[str, dict[str, str]]  # of each entry: of each module, package and file

FILES = ("weights", "picture")  # options of parts that come with ModelDiff
EXAMPLES = ("path", "train", "test")  # of data sets that are files of examples
NO_OPTIONS = {"name", "code", "plant", "verification_share", "class", "strengths"}
LARGE = 2**30  # bytes from which on a file counts by size and time of change, not by content


def of(config: Mapping[str, Any]) -> Fingerprints:
    """The fingerprints of a checked config; of entries that have none of these nothing.

    With `code` in an algorithm or in the data set, that text stands for the user's own parts.
    """
    result: Fingerprints = {}
    for entry, stated, parts in _entries(config):
        content: dict[str, str] = {}
        for part in parts:
            if not is_own(part["name"]):
                options = EXAMPLES if part["name"] in FROM_FILES else FILES
                named = [part[key] for key in options if part.get(key)]
                content |= _files(named)
                if part["name"] in FROM_FILES:
                    content |= _files(_in_folders(named))
        if not stated:
            content |= _of_users([part for part in parts if is_own(part["name"])])
        if content:
            result[entry] = content
    for name, algorithm in config["algorithms"].items():
        scores = algorithm.get("scores", {})
        if scores.get("name") == "gradients":
            result[f"checkpoints.{name}"] = _files(given_files.files(scores["checkpoints"]))
        named = [algorithm.get("without"), algorithm.get("finish", {}).get("forget")]
        if content := _files(named):
            result[f"algorithms.{name}"] = result.get(f"algorithms.{name}", {}) | content
    groups = _files(config.get("proof", {}).get("groups", {}).values())
    if groups:
        result["groups"] = groups
    metadata = _files([config.get("baselines", {}).get("metadata")])
    if metadata:
        result["metadata"] = metadata
    return result


def _of_users(parts: list[Mapping[str, Any]]) -> dict[str, str]:
    """The fingerprints of the sources of the user's own parts, and of files in their options."""
    if not parts:
        return {}
    from modeldiff.study import user_sources  # only where it is needed: it reads sources

    content = user_sources.fingerprints(part["name"] for part in parts)
    for part in parts:
        content |= _files([value for key, value in part.items() if key not in NO_OPTIONS])
    return content


def is_own(name: str) -> bool:
    """Whether a part is named by import path."""
    return ":" in name


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, bool, list[Mapping[str, Any]]]]:
    """Each entry's name, whether it states a version of its code, and its parts."""
    dataset = config["dataset"]
    plant = dataset["plant"] or {}
    feature = [{"name": plant["feature"]}] if plant else []
    yield "dataset", "code" in dataset, [dataset, *feature]
    for name, algorithm in config["algorithms"].items():
        stated = "code" in algorithm
        used = [*algorithm["preprocess"]]
        if "model" in algorithm:
            used.insert(0, algorithm["model"])
        trained = [*algorithm.get("augment", [])]
        for key in ("train", "finish"):
            if key in algorithm:
                trained.insert(0, algorithm[key])
        yield f"algorithms.{name}", stated, used + trained
        if algorithm.get("scores", {}).get("name") == "trak":
            yield f"scores.{name}", stated, used
    yield "estimator", False, [{"name": config["datamodels"]["estimator"]}]
    for name, transformation in config["verification"]["transformations"].items():
        yield f"transformations.{name}", False, [transformation]
    methods = config.get("baselines", {}).get("methods", [])
    yield "baselines", False, [{"name": method} for method in methods]


def _files(values: Iterable[Any]) -> dict[str, str]:
    """Fingerprints of the files that these values, or values in them, are paths of."""
    content = {}
    for text in _texts(list(values)):
        if _is_file(text):
            content[text] = _content(Path(text))
    return content


def _in_folders(named: Iterable[str]) -> Iterator[str]:
    """The files of those that are folders of Hugging Face's `datasets`, but for its caches."""
    for folder in filter(os.path.isdir, named):  # no `Path`, which refuses some texts
        for pattern in ("data-*.arrow", "dataset_info.json"):
            yield from sorted(map(str, Path(folder).glob(pattern)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False


def _content(path: Path) -> str:
    state = path.stat()
    if state.st_size > LARGE:
        return f"{state.st_size} bytes of {state.st_mtime_ns}"
    with open(path, "rb") as file:
        return artifacts.digest(file)[:16]


# What a run was started with.


def record_path(study: str | Path) -> Path:
    """Where the fingerprints of a checked study lie: of `study.json` in `study.code.json`."""
    return Path(study).with_suffix(".code.json")


def write(study: str | Path, fingerprints: Fingerprints) -> None:
    """Write them beside the checked study; nothing where there are none."""
    path = record_path(study)
    if fingerprints:
        artifacts.write_json(path, fingerprints)
    else:
        path.unlink(missing_ok=True)


def read(study: str | Path) -> Fingerprints:
    """Those beside a checked study; none where none were written."""
    path = record_path(study)
    try:
        content: Fingerprints = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot be read; run Snakemake again, which writes it") from None
    return content


def refuse_changed(study: str | Path, now: Fingerprints) -> None:
    """UserError if what a checked study was written with is not what is there now."""
    if Path(study).suffix != ".json" or not record_path(study).exists():
        return
    names = changed(read(study), now)
    if names:
        raise UserError(
            f"{study}: {listed(names)} changed since the run started; run the same Snakemake "
            "command again to make anew what it is part of"
        )


def listed(names: list[str], most: int = 3) -> str:
    """`mine, helpers and 2 more`."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def changed(before: Fingerprints, after: Fingerprints) -> list[str]:
    """The modules, packages and files whose fingerprints differ in any entry, sorted."""
    names: set[str] = set()
    for entry in before.keys() | after.keys():
        old = before.get(entry, {})
        new = after.get(entry, {})
        for name in old.keys() | new.keys():
            if old.get(name) != new.get(name):
                names.add(name)
    return sorted(names)
