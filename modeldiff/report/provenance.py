"""How a study was made: what its records and benchmarks say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from modeldiff.core import artifacts
from modeldiff.jobs import sharding
from modeldiff.report.results import Pair, Results
from modeldiff.study import Study


class Room(NamedTuple):
    """What the jobs of one room took, as Snakemake measured it."""

    name: str
    jobs: int
    seconds: float
    peak: float  # MB, the largest job's; NaN if it was too short to be measured


def rooms(results: Results) -> list[Room]:
    """Time and memory of each room's jobs; none where steps were run by hand."""
    folder, found = results.folder / "benchmarks", []
    for name, paths in _benchmarks(results, folder):
        tables = [pd.read_csv(path, sep="\t") for path in paths if path.exists()]
        if tables:
            table = pd.concat(tables)
            peak = pd.to_numeric(table["max_rss"], errors="coerce").max()
            found.append(Room(name, len(table), float(table["s"].sum()), float(peak)))
    return found


def _benchmarks(results: Results, folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The files of the study's own jobs: a folder may also hold those of earlier settings."""
    study = results.study
    pairs = [pair.name for pair in results.pairs]
    for room in ("dataset", "beton", "subsets"):
        yield room, [folder / f"{room}.tsv"]
    yield "calibrate", [folder / "calibrate" / f"{name}.tsv" for name in study.trained]
    for room, of in (("train", "training"), ("full", "full")):
        cuts = {name: sharding.cut(study, of, name, results.folder) for name in study.trained}
        ranges = [f"{name}-{r.start}-{r.stop}" for name, cut in cuts.items() for r in cut]
        yield room, [folder / room / f"{name}.tsv" for name in ranges]
    n = study.config["datamodels"]["jobs"]
    parts = [f"{name}-{i}-of-{n}.tsv" for name in study.fitted for i in range(n) if n > 1]
    for room in ("margins", "grams"):
        yield room, [folder / room / f"{name}.tsv" for name in study.fitted]
    yield "fit", [folder / "fit" / part for part in parts]
    for room in ("datamodels", "scores", "predictions"):
        yield room, [folder / room / f"{name}.tsv" for name in study.names]
    for room in ("comparison", "verification"):
        yield room, [folder / room / f"{name}.tsv" for name in pairs]
    if study.tried:
        yield "trials", [folder / "trials" / f"{name}.tsv" for name in study.trained]
        yield "candidates", [folder / "candidates" / f"{name}.tsv" for name in pairs]


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
    yield results.folder / "dataset/manifest.json"
    study = results.study
    for name in study.compared:
        yield results.folder / name / study.weights(name)[1]
        if name in study.fitted:
            yield results.folder / name / "margins.npy"
        if name in study.trained and study.full_models:
            yield results.folder / name / "predictions.npz"
    for pair in results.pairs:
        for file in ("comparison.npz", "effects.csv"):
            yield results.folder / pair.name / file
    for name in dict.fromkeys(name for pair in study.tried for name in pair):
        yield results.folder / name / "trials.npz"
    for a, b in study.tried:
        yield results.folder / f"{a}-vs-{b}" / "candidates.csv"


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
