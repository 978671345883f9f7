"""Writes docs/config.md and config/schema.json: `python docs/config.py`; a test compares them.

Both are made from the sections of a study, modeldiff/study/sections.py. config/schema.json is for
editors that know JSON Schema; ModelDiff itself does not read it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from modeldiff.study.schema import schema
from modeldiff.study.section import IMPORT_PATH

REPOSITORY = Path(__file__).parents[1]
HEAD = """# Config reference

<!-- Made from modeldiff/study/sections.py by `python docs/config.py`; change it there. -->

A study is one YAML file. Every key, with its type, default and meaning. Unknown keys are errors.
`modeldiff new` writes a commented file to start from, `modeldiff check` checks one.

A config is UTF-8 text of at most 1 MB, nested at most 30 levels, with at most 50,000 values,
counted where anchors repeat them. It holds text, finite numbers, true, false, null, lists, and
keys that are text: what YAML takes for a date is written in quotes. Every mistake is one line of
at most 200 characters. Snakemake reads a `--configfile` before ModelDiff does: a file that is not
there, what is wrong with its YAML, a pipe in its place, or anchors that multiply without end, it
meets first, in its own words (a traceback) or in none; `modeldiff check` and `modeldiff run` refuse
them at once. A study has at most 100,000 jobs, and from 20,000 on it says so.
"""
BOUNDS = {
    "minimum": "at least {:,}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {:,}",
    "exclusiveMaximum": "less than {}",
    "minItems": "{} or more entries",
    "maxItems": "at most {:,} entries",
    "minProperties": "{} or more entries",
    "maxProperties": "at most {:,} entries",
}


def page() -> str:
    """The whole reference as Markdown."""
    whole = schema()
    lines = [HEAD]
    plain = {k: v for k, v in whole["properties"].items() if not nested(v)}
    lines += ["## Top level\n", *table({"": whole | {"properties": plain}})]
    for name, entry in whole["properties"].items():
        if nested(entry):
            lines += ["", f"## `{name}`\n", *section(name, entry)]
    return "\n".join(lines) + "\n"


def schema_file() -> str:
    """The schema as JSON."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def nested(entry: dict[str, Any]) -> bool:
    """Whether an entry has keys of its own."""
    return "properties" in entry or isinstance(entry.get("additionalProperties"), dict)


def section(at: str, entry: dict[str, Any]) -> Iterator[str]:
    """A part of the config: its meaning and the keys in it."""
    yield entry.get("description", "")
    yield ""
    yield from table({at: entry})


def table(entries: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Rows of a Markdown table for all keys below."""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for at, entry in entries.items():
        yield from rows(at, entry, "")


def rows(at: str, entry: dict[str, Any], when: str) -> Iterator[str]:
    """One row per key, depth first; `when` says for which part a key is."""
    own = entry.get("additionalProperties")
    if isinstance(own, dict):
        yield from rows(f"{at}.<name>", own, when)
    if isinstance(entry.get("items"), dict) and "properties" in entry["items"]:
        yield from rows(f"{at}[]", entry["items"], when)
    otherwise = entry.get("else", {})
    for name, given in entry.get("properties", {}).items():
        if not isinstance(given, dict):
            continue
        more = otherwise.get("properties", {}).get(name)
        child = given | (more if isinstance(more, dict) else {})
        path = f"{at}.{name}".lstrip(".")
        default = "required" if name in entry.get("required", ()) else ""
        for rule in (entry, *entry.get("allOf", ())):
            if name in rule.get("else", {}).get("required", ()):
                default = f"required unless {unless(rule['if'])}"
        if "description" in child or "type" in child or "enum" in child:
            yield row(path, child, default, when)
        yield from rows(path, child, when)
    for rule in (entry, *entry.get("allOf", ())):
        for branch, met in (("then", True), ("else", False)):
            if branch in rule:
                more = {k: v for k, v in rule[branch].items() if k in ("properties", "required")}
                yield from rows(at, more, condition(rule["if"], met))


def condition(rule: dict[str, Any], met: bool) -> str:
    """For which part a key is, in words."""
    name = rule.get("properties", {}).get("name", {})
    names = name.get("enum") or ([name["const"]] if "const" in name else [])
    if not names:
        return ""
    return f"{'' if met else 'not '}{', '.join(f'`{n}`' for n in names)}: "


def unless(rule: dict[str, Any]) -> str:
    """The keys that a condition asks for, in words."""
    keys = [key for each in rule.get("anyOf", [rule]) for key in each["required"]]
    return " or ".join(f"`{key}`" for key in keys)


def row(path: str, entry: dict[str, Any], default: str, when: str) -> str:
    """A key's row."""
    if "default" in entry:
        default = f"`{yaml.safe_dump(entry['default'], default_flow_style=True).split(chr(10))[0]}`"
    words = when + entry.get("description", "")
    return f"| `{path}` | {kind(entry)} | {default} | {words} |".replace("  ", " ")


def kind(entry: dict[str, Any]) -> str:
    """Type and range in words."""
    if "enum" in entry:
        return " or ".join(f"`{'null' if v is None else v}`" for v in entry["enum"])
    if "anyOf" in entry:
        choices = [f"`{v}`" for option in entry["anyOf"] for v in option.get("enum", ())]
        last = entry["anyOf"][-1]
        other = "an import path" if is_import_path(last) else kind(last)
        return ", ".join([*choices, f"or {other}"])
    if is_import_path(entry):
        return "import path"
    types = entry.get("type", "")
    names = {"object": "keys", "array": "list", "string": "text", "integer": "whole number"}
    words = [names.get(t, t) for t in ([types] if isinstance(types, str) else types)]
    bounds = [text.format(entry[k]) for k, text in BOUNDS.items() if k in entry]
    return ", ".join([" or ".join(words), *bounds])


def is_import_path(entry: dict[str, Any]) -> bool:
    """Whether a value names a part of the user's own."""
    return entry.get("pattern") == IMPORT_PATH


if __name__ == "__main__":
    (REPOSITORY / "config/schema.json").write_text(schema_file(), encoding="utf-8")
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
