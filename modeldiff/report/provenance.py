"""How a study was made: what its records and benchmarks say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from modeldiff.core import artifacts
from modeldiff.jobs import sharding
from modeldiff.report.results import Pair, Results
from modeldiff.study import Study, stages
from modeldiff.study.stages import STAGES


class Room(NamedTuple):
    """What the jobs of one stage took, as Snakemake measured it."""

    name: str
    jobs: int
    seconds: float
    peak: float  # MB, the largest job's; NaN if it was too short to be measured


def rooms(results: Results) -> list[Room]:
    """Time and memory of each stage's jobs; none where steps were run by hand.

    Of the study's own jobs: the folder may also hold what those of earlier settings took.
    """
    study, found = results.study, []
    for stage in STAGES.values():
        if stage.name == "report":  # under way
            continue
        tables = []
        for of in stage.of(study):
            for job in sharding.jobs(study, stage.name, of, results.folder):
                path = results.folder / stages.benchmark(stage.name, *job)
                if path.exists():
                    tables.append(pd.read_csv(path, sep="\t"))
        if tables:
            table = pd.concat(tables)
            peak = pd.to_numeric(table["max_rss"], errors="coerce").max()
            seconds = float(table["s"].sum())
            found.append(Room(stage.title, len(table), seconds, float(peak)))
    return found


def origins(results: Results) -> list[dict[str, Any]]:
    """What made the artifacts: each code, versions and hardware once, with the files it made."""
    found: dict[str, dict[str, Any]] = {}
    for path in _artifacts(results):
        record = artifacts.record(path)
        made = {k: record.get(k) for k in ("code", "versions", "hardware")}
        entry = found.setdefault(repr(made), made | {"files": [], "from": "9", "to": ""})
        entry["files"].append(path.relative_to(results.folder).as_posix())
        entry["from"] = min(entry["from"], record["made"])
        entry["to"] = max(entry["to"], record["made"])
    return list(found.values())


def _artifacts(results: Results) -> Iterator[Path]:
    # An algorithm of no pair has no result of its own: its effects stand in those of pairs.
    compared = set(results.study.compared)
    for stage in STAGES.values():
        if stage.traced:
            for of in stage.of(results.study):
                if compared.issuperset(of):
                    yield results.folder / stages.path(stage.main, *of)


def differences(study: Study, pair: Pair) -> list[tuple[str, dict[str, str]]]:
    """The settings in which a pair's training differs: dotted key, and its value for each."""
    entries = study.config["algorithms"]
    flat = {
        name: dict(_flat({k: v for k, v in entries[name].items() if k != "scores"}))
        for name in (pair.a, pair.b)
        if name in study.trained
    }
    keys = dict.fromkeys(key for entry in flat.values() for key in entry)
    return [
        (key, {name: entry.get(key, "\N{EN DASH}") for name, entry in flat.items()})
        for key in keys
        if len({entry.get(key) for entry in flat.values()}) > 1
    ]


def _flat(entry: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and values as text; a list of parts is one value."""
    if isinstance(entry, dict):
        for key, value in entry.items():
            yield from _flat(value, f"{at}.{key}" if at else key)
    elif isinstance(entry, list):
        yield at, ", then ".join(map(part, entry)) or "nothing"
    else:
        yield at, "none" if entry is None else str(entry)


def part(entry: Any) -> str:
    """A part of a config: its name, and its options in brackets."""
    if not isinstance(entry, dict):
        return str(entry)
    options = ", ".join(f"{k} {v}" for k, v in entry.items() if k != "name" and v is not None)
    return f"{entry['name']} ({options})" if options else str(entry["name"])
