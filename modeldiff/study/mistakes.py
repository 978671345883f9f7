"""What the schema says is wrong, in words: what came, what would be right."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import ValidationError

from modeldiff.core.errors import VALUE, shown
from modeldiff.study.config_file import KeyPath


def rank(error: ValidationError) -> tuple[int, int]:
    """Causes before consequences: a wrong name makes keys unknown, an unknown key one missing."""
    causes = {"enum": 0, "anyOf": 0, "additionalProperties": 1}
    return (causes.get(str(error.validator), 2), len(error.absolute_path))


def explain(error: ValidationError) -> tuple[KeyPath, str]:
    """Where a schema error is and, in words, what would be right."""
    path = tuple(error.absolute_path)
    value = error.instance
    rule = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in value if key not in known)
            near = _nearest(unknown, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
            return (*path, unknown), f"is not a key; {hint}"
        case "required":
            missing = next(key for key in rule if key not in value)
            return (*path, missing), "is missing"
        case "type":
            must = f"must be {_type_words(rule)}{_number_hint(value, rule)}"
            return path, f"is {shown(value)}; {must}"
        case "enum" | "anyOf":
            options, other = (rule, "") if error.validator == "enum" else _choice(rule)
            near = _nearest(value, options, 1)
            hint = f" (did you mean `{near[0]}`?)" if near else ""
            return path, f"is {shown(value)}; must be {any_of(value, options)}{other}{hint}"
        case "pattern":
            return path, f"is {shown(value)}; must be {error.schema['must_be']}"
        case None:
            return path, "is not used together with `train` or a model of scikit-learn's: remove it"
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "minItems": "a list of at least this many:",
        "maxItems": "a list of at most this many:",
        "minProperties": "at least this many entries:",
        "maxProperties": "at most this many entries:",
    }
    if error.validator == "minLength":
        return path, "is empty; must be a path"
    if error.validator in words:
        return path, f"is {shown(value)}; must be {words[error.validator]} {rule}"
    return path, " ".join(error.message.split())


def _choice(rule: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Any], str]:
    """The names of an `anyOf`, and in words what else it takes."""
    names = rule[0]["enum"]
    other = rule[-1]
    if other.get("type") == "integer":
        return names, f" or a whole number from {other['minimum']} to {other['maximum']:,}"
    return names, " or `package.module:name`"


def _nearest(value: Any, options: Sequence[Any], most: int, cutoff: float = 0.6) -> list[str]:
    """The options that are written most like `value`."""
    written = list(map(str, options))
    return difflib.get_close_matches(str(value)[:VALUE], written, most, cutoff)


def any_of(value: Any, options: Sequence[Any], between: str = " or ") -> str:
    """The options in words; of many, those that are most like `value`."""
    text = between.join(map(str, options))
    if len(text) <= 2 * VALUE:
        return text
    return f"one of {len(options)}: {', '.join(_nearest(value, options, 3, 0.0))}, ..."


def _type_words(rule: str | list[str]) -> str:
    words = {
        "object": "keys with values",
        "array": "a list",
        "null": "null",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
    }
    types = [rule] if isinstance(rule, str) else rule
    return " or ".join(words[name] for name in types)


def _number_hint(value: Any, rule: str | list[str]) -> str:
    """YAML 1.1 reads 1e-6 as text, and 2.0 is no whole number."""
    if isinstance(value, float) and value.is_integer() and "integer" in rule:
        return " (without a point)"
    if isinstance(value, str) and rule in ("number", "integer"):
        try:
            return f" (write {float(value):.1e} with a point)" if "e" in value.lower() else ""
        except ValueError:
            pass
    return ""
