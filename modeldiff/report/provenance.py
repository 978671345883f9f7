"""How a study was made: what its records and benchmarks say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from modeldiff.core import artifacts
from modeldiff.jobs import sharding
from modeldiff.report.pairs import Pair
from modeldiff.report.results import Results
from modeldiff.study import Study, stages
from modeldiff.study.stage import Stage
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
    measured = []
    for stage in STAGES.values():
        if stage.name == "report":  # under way
            continue
        tables = _benchmarks(results, stage)
        if tables:
            table = pd.concat(tables)
            peak = pd.to_numeric(table["max_rss"], errors="coerce").max()
            seconds = float(table["s"].sum())
            measured.append(Room(stage.title, len(table), seconds, float(peak)))
    return measured


def _benchmarks(results: Results, stage: Stage) -> list[pd.DataFrame]:
    """What Snakemake measured of each job of a stage."""
    tables = []
    for of in stage.of(results.study):
        for job in sharding.jobs(results.study, stage.name, of, results.folder):
            path = results.folder / stages.benchmark(stage.name, *job)
            if path.exists():
                tables.append(pd.read_csv(path, sep="\t"))
    return tables


def origins(results: Results) -> list[dict[str, Any]]:
    """What made the artifacts: each code, versions and hardware once, with the files it made."""
    by_maker: dict[str, dict[str, Any]] = {}
    for path in _artifacts(results):
        record = artifacts.record(path)
        made = {k: record.get(k) for k in ("code", "versions", "hardware")}
        entry = by_maker.setdefault(repr(made), made | {"files": [], "from": "9", "to": ""})
        entry["files"].append(path.relative_to(results.folder).as_posix())
        entry["from"] = min(entry["from"], record["made"])
        entry["to"] = max(entry["to"], record["made"])
    return list(by_maker.values())


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
    recipes: dict[str, dict[str, str]] = {}
    for name in (pair.a, pair.b):
        if name in study.with_models:
            recipe = dict(study.config["algorithms"][name])
            recipe.pop("scores", None)
            recipes[name] = dict(_flat(recipe))
    keys: dict[str, None] = {}  # in the order of the config
    for recipe in recipes.values():
        keys |= dict.fromkeys(recipe)
    differing = []
    for key in keys:
        values = {name: recipe.get(key, "\N{EN DASH}") for name, recipe in recipes.items()}
        if len(set(values.values())) > 1:
            differing.append((key, values))
    return differing


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
    options = []
    for key, value in entry.items():
        if key != "name" and value is not None:
            options.append(f"{key} {value}")
    return f"{entry['name']} ({', '.join(options)})" if options else str(entry["name"])
