"""What a study's config only names: the user's own code, and files whose content is trained on.

An entry of the config (the data set, an algorithm, a transformation, the estimator) has a
fingerprint for each module, package and file that its parts are made of. They are part of the keys
of what the entry makes, and are kept beside a run's checked study, so that a job knows whether it
runs the code that the run was started with.

An option of a part of the user's own that is the path of a file counts by the file's content, and
so do `weights` and `picture` of those that come with ModelDiff. A folder, and a file that the code
opens by a name of its own, do not: the data set that is prepared from them is compared instead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError

Fingerprints = dict[str, dict[str, str]]  # of each entry: of each module, package and file

FILES = ("weights", "picture")  # options of parts that come with ModelDiff
NO_OPTIONS = {"name", "code", "plant", "verification_share", "class", "strengths"}
LARGE = 2**30  # bytes from which on a file counts by size and time of change, not by content


def of(config: Mapping[str, Any]) -> Fingerprints:
    """The fingerprints of a checked config; of entries that have none of these nothing.

    With `code` in an algorithm or in the data set, that text stands for the user's own parts.
    """
    found: Fingerprints = {}
    for entry, stated, parts in _entries(config):
        own = [part for part in parts if is_own(part["name"])]
        built_in = [part for part in parts if not is_own(part["name"])]
        content = _files(part[k] for part in built_in for k in FILES if k in part)
        if own and not stated:
            from modeldiff.study import user_sources  # only where it is needed: it reads sources

            content |= user_sources.fingerprints(part["name"] for part in own)
            content |= _files(part[k] for part in own for k in part if k not in NO_OPTIONS)
        if content:
            found[entry] = content
    return found


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
        used = [algorithm[k] for k in ("model",) if k in algorithm] + algorithm["preprocess"]
        trained = [algorithm[k] for k in ("train",) if k in algorithm]
        trained += algorithm.get("augment", [])
        yield f"algorithms.{name}", "code" in algorithm, used + trained
        if algorithm.get("scores", {}).get("name") == "trak":
            yield f"scores.{name}", "code" in algorithm, used
    yield "estimator", False, [{"name": config["datamodels"]["estimator"]}]
    for name, transformation in config["verification"]["transformations"].items():
        yield f"transformations.{name}", False, [transformation]


def _files(values: Iterable[Any]) -> dict[str, str]:
    """Fingerprints of the files that these values, or values in them, are paths of."""
    return {text: _content(Path(text)) for text in _texts(list(values)) if _is_file(text)}


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


def write(study: str | Path, found: Fingerprints) -> None:
    """Write them beside the checked study; nothing where there are none."""
    path = record_path(study)
    if found:
        artifacts.write_json(path, found)
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
        old, new = before.get(entry, {}), after.get(entry, {})
        names |= {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return sorted(names)
