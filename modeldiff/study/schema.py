"""The JSON Schema of a config, made from its sections: what a config is checked by.

It is Pydantic's, in a form that messages can be made from. Where a part is chosen by name, its keys
follow by `if` and `then`: who misspells a key of `resize` is told which keys `resize` has, not that
none of many alternatives fits.
"""

from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from modeldiff.study.section import Section
from modeldiff.study.sections import Config

Schema = dict[str, Any]


@cache
def schema() -> Schema:
    """The schema of a whole config, without references."""
    made = Config.model_json_schema(schema_generator=_Generator)
    definitions = made.pop("$defs")
    return {"$schema": _Generator.schema_dialect} | _simplified(made, definitions)


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which keeps the order of keys and writes defaults as a config does."""

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        return value

    def encode_default(self, dft: Any) -> Any:
        return dft.model_dump(exclude_unset=True) if isinstance(dft, Section) else dft


def _simplified(node: Schema, definitions: Schema) -> Schema:
    """The schema of an entry, and of all entries in it."""
    if "$ref" in node:
        name = node["$ref"].split("/")[-1]
        node = definitions[name] | {key: node[key] for key in node if key != "$ref"}
    node = {key: value for key, value in node.items() if key not in ("title", "discriminator")}
    if "description" in node:
        node["description"] = " ".join(node["description"].split())  # lines of a docstring
    for key, value in node.items():
        if key == "properties":
            node[key] = {name: _simplified(entry, definitions) for name, entry in value.items()}
        elif key in ("oneOf", "anyOf"):
            node[key] = [_simplified(option, definitions) for option in value]
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            node[key] = _simplified(value, definitions)
    if node.get("additionalProperties") is True:
        del node["additionalProperties"]
    if "patternProperties" in node:  # where Pydantic puts the pattern of the user's names
        ((pattern, entry),) = node.pop("patternProperties").items()
        node["propertyNames"] = node["propertyNames"] | {"pattern": pattern}
        node["additionalProperties"] = _simplified(entry, definitions)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "enum" in node:
        node.pop("type", None)  # it follows from the names
    if "oneOf" in node:
        node = _by_name(node.pop("oneOf")) | node
    if "anyOf" in node:
        node = _of_several(node.pop("anyOf")) | node
    if node.get("default", "") is None and not _may_be_null(node):
        del node["default"]  # a key that may be left out
    return node


def _may_be_null(node: Schema) -> bool:
    """Whether null is a value of an entry."""
    return "null" in node.get("type", ()) or None in node.get("enum", ())


def _of_several(options: list[Schema]) -> Schema:
    """An entry that may be of several types; or a part, also of the user's own."""
    if "allOf" in options[0]:
        return _or_own(*options)
    if not all("type" in option for option in options):
        return {"anyOf": options}
    merged: Schema = {}
    for option in options:
        merged |= option
    merged["type"] = [option["type"] for option in options]
    return merged


def _by_name(parts: list[Schema]) -> Schema:
    """One of several parts: the keys that all have, and under each name those of its part."""
    common = _common(parts)
    names: list[str] = []
    branches = []
    for part in parts:
        names += part["properties"]["name"]["enum"]
        branches.append(_if_named(part, common))
    merged: Schema = {
        "type": "object",
        "properties": {"name": parts[0]["properties"]["name"] | {"enum": names}} | common,
        "allOf": branches,
    }
    if required := [key for key in ("name", *common) if _required(key, parts)]:
        merged["required"] = required
    return merged


def _common(parts: list[Schema]) -> Schema:
    """The keys, but for the name, that are the same in all parts."""
    common = {}
    for key, entry in parts[0]["properties"].items():
        if key != "name" and all(part["properties"].get(key) == entry for part in parts):
            common[key] = entry
    return common


def _required(key: str, parts: list[Schema]) -> bool:
    """Whether all parts need a key."""
    return all(key in part.get("required", ()) for part in parts)


def _if_named(part: Schema, common: Schema) -> Schema:
    """The keys of a part, under the condition that it has the part's name."""
    properties: Schema = {}
    for key, entry in part["properties"].items():
        properties[key] = True if key == "name" or key in common else entry
    then: Schema = {"properties": properties, "additionalProperties": False}
    if required := [key for key in part.get("required", ()) if properties[key] is not True]:
        then["required"] = required
    name = {"enum": part["properties"]["name"]["enum"]}
    return {"if": {"properties": {"name": name}, "required": ["name"]}, "then": then}


def _or_own(built_in: Schema, own: Schema) -> Schema:
    """A part that comes with ModelDiff, or one of the user's own, whose name is an import path."""
    import_path = dict(own["properties"]["name"])
    name = {
        "description": import_path.pop("description"),
        "anyOf": [{"enum": built_in["properties"]["name"]["enum"]}, import_path],
    }
    either = built_in | {"properties": built_in["properties"] | {"name": name}}
    more = {
        key: own["properties"][key] for key in own["properties"] if key not in either["properties"]
    }
    if more:
        named = {"properties": {"name": import_path}, "required": ["name"]}
        either["allOf"] = [*built_in["allOf"], {"if": named, "then": {"properties": more}}]
    return either
