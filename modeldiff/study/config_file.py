"""A config read from a file that may be anything: within bounds, and into plain data.

YAML can say more than JSON, and a small file can stand for a huge one. What a study is made from
is plain: text, finite numbers, true, false, null, lists, and keys that are text.
"""

import datetime
import json
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from modeldiff.core import paths
from modeldiff.core.errors import UserError, shown

DEEPEST = 30  # levels of lists and keys in each other; the schema's deepest key is at 7
MOST_VALUES = 50_000  # those that anchors repeat are counted each time; a large study has 2,000
LARGEST = {".json": 2**24}  # bytes; a checked study, which has every default, is JSON
LARGEST_YAML = 2**20
MERGE = "tag:yaml.org,2002:merge"
INTEGER = "tag:yaml.org,2002:int"

KeyPath = tuple[str | int, ...]


class NotPlain(Exception):
    """A value that is not plain data: where it is, and what is wrong with it."""

    def __init__(self, path: KeyPath, what: str):
        super().__init__(what)
        self.path, self.what = path, what


def parse(path: str | Path) -> dict[str, Any]:
    """Read a YAML (or JSON) file with keys at its top level; UserError names the file."""
    text = _text(path)
    try:
        if str(path).endswith(".json"):  # YAML would read JSON's 1e-06 as text
            content = json.loads(text, object_pairs_hook=_without_repeats)
        else:
            content = yaml.load(text, _Bounded)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        kind = "" if isinstance(error, _Refused) else "is not YAML: "
        raise UserError(f"{path}: {kind}{line}{error.problem or error.context}") from None
    except Exception as error:  # each of PyYAML's constructors has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: is not YAML or JSON: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys at its top level, e.g. `study: digits`")
    return content


def plain(content: Any) -> Any:
    """A copy of `content` that is plain data and shares nothing; NotPlain for what it cannot be."""
    return _Copy().of(content, ())


def _text(path: str | Path) -> str:
    most = LARGEST.get(Path(path).suffix, LARGEST_YAML)
    size = paths.regular(path).st_size
    if size > most:
        raise UserError(f"{path}: has {size:,} bytes; a config has at most {most:,}")
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text: byte {error.start + 1} cannot be") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no key stands twice."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"`{name}` stands twice; give each its own name")
        content[name] = value
    return content


class _Bounded(yaml.SafeLoader):
    """YAML of bounded size, no key twice: two algorithms of one name are an error.

    An alias counts as many values as it stands for, before anything is made of it.
    """

    def __init__(self, stream: str):
        super().__init__(stream)
        self.values = self.depth = 0
        self.values_of: dict[str, int] = {}  # by anchor, once it is complete

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        before = self.values
        self.values += 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self.values_of:
                raise _Refused(f"`*{event.anchor}` stands within itself", event.start_mark)
            self.values += self.values_of.get(event.anchor, 0)
        if self.values > MOST_VALUES:
            what = f"holds more than {MOST_VALUES:,} values, counted where anchors repeat them"
            raise _Refused(what, event.start_mark)
        if self.depth == DEEPEST:
            raise _Refused(f"is nested more than {DEEPEST} levels deep", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
            self.values_of[event.anchor] = self.values - before
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("a list, or keys with values, cannot be a key", key.start_mark)
            if key.value in seen and key.tag != MERGE:
                what = f"`{key.value}` stands twice; give each its own name"
                raise _Refused(what, key.start_mark)
            seen.add(key.value)
        return node

    def construct_integer(self, node: yaml.ScalarNode) -> Any:
        """YAML 1.1 has integers of base 60, whose length takes its square in time."""
        if len(node.value) > 100:
            raise _Refused(f"an integer of {len(node.value):,} digits", node.start_mark)
        return self.construct_yaml_int(node)


_Bounded.add_constructor(INTEGER, _Bounded.construct_integer)


class _Refused(yaml.MarkedYAMLError):
    """What YAML allows and a config does not."""

    def __init__(self, what: str, mark: yaml.Mark):
        super().__init__(problem=what, problem_mark=mark)


class _Copy:
    """Copies data and counts what it copies, so that data which hold themselves come to an end."""

    def __init__(self) -> None:
        self.values = 0

    def of(self, value: Any, path: KeyPath) -> Any:
        """A copy of `value`, which lies at `path`."""
        self.values += 1
        if self.values > 2 * MOST_VALUES:  # of a checked study, too, whose defaults are filled in
            raise NotPlain((), f"holds more than {2 * MOST_VALUES:,} values")
        if len(path) > DEEPEST:
            raise NotPlain(path[:2], f"is nested more than {DEEPEST} levels deep")
        if isinstance(value, dict):
            for key in value:
                _check_key(key, path)
            return {key: self.of(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, (*path, i)) for i, inner in enumerate(value)]
        _check_scalar(value, path)
        return value


def _check_key(key: Hashable, path: KeyPath) -> None:
    if not isinstance(key, str):
        raise NotPlain(path, f"has the key {shown(key)}, which is no text; write it in quotes")
    _check_scalar(key, path)


def _check_scalar(value: Any, path: KeyPath) -> None:
    match value:
        case bool() | None:
            return
        case int():
            if abs(value) >= 2**63:
                raise NotPlain(path, f"is {shown(value)}; must be a number below 2^63")
        case float():
            if not math.isfinite(value):
                raise NotPlain(path, f"is {value}; must be a finite number")
        case str():
            if "\0" in value or not encodable(value):
                raise NotPlain(path, f"is {shown(value)}, which holds what no text file can")
        case datetime.date():  # which a time is, too
            raise NotPlain(path, f"is {value}, which YAML takes for a date; write it in quotes")
        case _:
            what = f"is {shown(value)}; must be text, a number, a list or keys with values"
            raise NotPlain(path, what)


def encodable(text: str) -> bool:
    """Whether it can stand in a text file: not so half a surrogate pair, as JSON can have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
