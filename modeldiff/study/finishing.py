"""What no schema can say of steps after training, of models per member and of groups of images."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.core.errors import shown
from modeldiff.study import mistakes
from modeldiff.study.config_file import KeyPath
from modeldiff.study.estimators import says_how_to_train
from modeldiff.study.section import OF_CLASS, PLANTED


def contradicted(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Several models per member that nothing makes one, and groups that are none."""
    for name, entry in config["algorithms"].items():
        finish = entry.get("finish", {}).get("name")
        if finish == "merge" and "trains" not in entry:
            what = "is merge, but there is one model; `trains: 2` would give two"
            yield ("algorithms", name, "finish", "name"), what
        if finish == "unlearn" and "trains" in entry:
            what = f"is {entry['trains']}, but unlearn takes one model: remove it"
            yield ("algorithms", name, "trains"), what
        if "trains" in entry and "finish" not in entry:
            what = f"is {entry['trains']}, but there is no `finish` to make one model of them"
            yield ("algorithms", name, "trains"), what
    if "unlearning" in config:
        yield from _asked(config["unlearning"], config["algorithms"])
    for path, group in _groups(config):
        if group == PLANTED:
            if not config["dataset"]["plant"]:
                yield path, "is planted, but nothing is: `dataset.plant` would say what"
        elif not group.startswith(OF_CLASS) and not os.path.isfile(group):
            what = "which is no file here; must be `planted`, `class:NAME` or a file"
            yield path, f"is {shown(group)}, {what}"


def _asked(
    unlearning: Mapping[str, Any], algorithms: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    """Those that are asked what is left of a group, and what they are held against."""
    for role in ("before", "never"):
        name = unlearning[role]
        entry = algorithms.get(name, {})
        if not says_how_to_train(entry):
            names = mistakes.any_of(name, list(algorithms), ", ")
            what = f"is {shown(name)}; must be an algorithm that says how to train: {names}"
            yield ("unlearning", role), what
            return
        if "forget" in entry.get("finish", {}):
            yield ("unlearning", role), f"is {shown(name)}, which is to forget; must not"
    if "without" in algorithms[unlearning["before"]]:
        yield ("unlearning", "before"), "is trained `without` a group; must learn it"
    never = algorithms[unlearning["never"]].get("without")
    if never is None:
        what = f"is {shown(unlearning['never'])}; must be trained `without` the group"
        yield ("unlearning", "never"), what
    forgotten = {}
    for name, entry in algorithms.items():
        if "forget" in entry.get("finish", {}):
            forgotten[name] = entry["finish"]["forget"]
    for name, group in forgotten.items():
        if group != never:
            what = f"is {shown(group)}, but {unlearning['never']} is without {shown(never)}"
            yield ("algorithms", name, "finish", "forget"), f"{what}; must be the same"
    if not forgotten:
        yield ("unlearning",), "asks what is left, but no algorithm has a `finish` with `forget`"


def classes(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """The classes that groups name, and where."""
    for path, group in _groups(config):
        if group.startswith(OF_CLASS):
            yield path, group.removeprefix(OF_CLASS)


def too_few(config: Mapping[str, Any], chosen: int) -> Iterator[tuple[KeyPath, str]]:
    """More models, or larger batches, than a subset of `chosen` examples has room for."""
    for name, entry in config["algorithms"].items():
        parts = entry.get("trains", 1)
        each = chosen // parts
        if each < 1:
            what = f"is {parts}, but a subset has {chosen} examples; must be at most that"
            yield ("algorithms", name, "trains"), what
        elif entry.get("batch", 1) > each:
            of = "a subset" if parts == 1 else f"one of {parts} parts of a subset"
            what = f"is {entry['batch']}, but {of} has {each} examples; must be at most that"
            yield ("algorithms", name, "batch"), what


def _groups(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """The groups of training images that algorithms name, and where."""
    for name, entry in config["algorithms"].items():
        if "without" in entry:
            yield ("algorithms", name, "without"), entry["without"]
        if "forget" in entry.get("finish", {}):
            yield ("algorithms", name, "finish", "forget"), entry["finish"]["forget"]
