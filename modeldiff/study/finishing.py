"""What no schema can say of steps after training, of models per member and of groups of images."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.core.errors import shown
from modeldiff.study.config_file import KeyPath
from modeldiff.study.section import OF_CLASS, PLANTED


def contradicted(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Several models per member that nothing makes one, and groups that are none."""
    for name, entry in config["algorithms"].items():
        if "trains" in entry and "finish" not in entry:
            what = f"is {entry['trains']}, but there is no `finish` to make one model of them"
            yield ("algorithms", name, "trains"), what
    for path, group in _groups(config):
        if group == PLANTED:
            if not config["dataset"]["plant"]:
                yield path, "is planted, but nothing is: `dataset.plant` would say what"
        elif not group.startswith(OF_CLASS) and not os.path.isfile(group):
            what = "which is no file here; must be `planted`, `class:NAME` or a file"
            yield path, f"is {shown(group)}, {what}"


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
