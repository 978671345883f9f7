"""Hostile configs: every key of the schema with values that nobody should give it, damaged text.

Seeded: the same seed, the same cases.
"""

import copy
import itertools
import json
import random
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from click.testing import CliRunner
from hostile_values import BOMBS, OF_TYPE, VALUES

from modeldiff.cli import main
from modeldiff.study.schema import schema as schema_of_a_study

ROOT = Path(__file__).parents[1]
LONGEST = 200  # characters of a message
SECONDS = 10  # a case may take
HERE = "here-comes-the-value"  # stands in a config's text for what is put there


OWN_FINISH = "own:note"  # the only part of one's own with a key that ModelDiff knows


class Case(NamedTuple):
    """What was done, to which key, and the file that came of it."""

    attack: str
    where: str
    content: bytes
    suffix: str = ".yaml"


class Key(NamedTuple):
    """A key of the schema: its path, what its value should be, what must stand beside it."""

    path: tuple
    kinds: tuple[str, ...]
    beside: dict


def keys(schema: dict, path: tuple = (), beside: dict | None = None) -> Iterator[Key]:
    """Every key that the schema knows; where names are one's own, one that is there already."""
    for name, entry in schema.get("properties", {}).items():
        if isinstance(entry, dict):
            yield Key((*path, name), kinds(entry), beside or {})
            yield from keys(entry, (*path, name))
    if isinstance(schema.get("additionalProperties"), dict):
        own = "plain" if path == ("algorithms",) else "watermark"
        yield from keys(schema["additionalProperties"], (*path, own))
    if "items" in schema:
        yield Key((*path, 0), kinds(schema["items"]), {})
        yield from keys(schema["items"], (*path, 0))
    for condition, then in branches(schema):
        name = condition["properties"]["name"].get("enum", [OWN_FINISH])[0]
        required = [key for key in then.get("required", ()) if key not in ("class", "strengths")]
        needed = {key: value_of(then["properties"][key]) for key in required}
        yield from keys(then, path, {"name": name} | needed)


def branches(schema: dict) -> list[tuple[dict, dict]]:
    """The conditions by `name` of a part, and what its keys are then."""
    found = [
        (one["if"], one["then"]) for one in (*schema.get("allOf", ()), schema) if "then" in one
    ]
    return [
        (condition, then) for condition, then in found if "name" in condition.get("properties", {})
    ]


def kinds(schema: dict) -> tuple[str, ...]:
    """The types that a key may have."""
    kind = schema.get(
        "type", "integer" if schema.get("anyOf", [{}])[-1].get("minimum") else "string"
    )
    return (kind,) if isinstance(kind, str) else tuple(kind)


def value_of(schema: dict) -> Any:
    """Something that a key may be."""
    of_kind = {"integer": 2, "number": 0.5, "string": ".", "array": [0.5]}
    return of_kind.get(kinds(schema)[0], {})


def base() -> dict:
    """A study that is right, and small enough to be checked in no time."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return copy.deepcopy(config)


def put(config: dict, key: Key) -> None:
    """Set `HERE` at a key, with what must stand beside it."""
    path, node = key.path, config
    for part, following in itertools.pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(part, int):
            if not node:
                node.append(empty)
            if type(node[0]) is not type(empty):
                node[0] = empty
        elif not isinstance(node.get(part), type(empty)):
            node[part] = empty
        node = node[part]
    if key.beside:
        own = {k: node[k] for k in ("class", "strengths") if k in node}
        node.clear()
        node.update(own | key.beside)
    if isinstance(path[-1], int):
        node[:1] = [HERE]
    else:
        node[path[-1]] = HERE


def text_of(config: dict) -> str:
    return yaml.safe_dump(config, sort_keys=False, width=10_000)


def valued(rng: random.Random) -> Case:
    """One value at one key; every second time of a type that the key may have."""
    key = rng.choice(KEYS)
    of_type = [name for kind in key.kinds for name in OF_TYPE.get(kind, ())]
    name = rng.choice(of_type if of_type and rng.random() < 0.5 else list(VALUES))
    config = base()
    put(config, key)
    text = text_of(config).replace(HERE, VALUES[name])
    return Case(f"value: {name}", dotted(key.path), text.encode())


def renamed(rng: random.Random) -> Case:
    """One value as a key."""
    config = base()
    key = rng.choice(KEYS)
    put(config, key)
    name = rng.choice(list(VALUES))
    text = re.sub(
        rf"(\S+: |- ){HERE}", f"? {VALUES[name]}\n: 1".replace("\\", r"\\"), text_of(config)
    )
    return Case(f"key: {name}", dotted(key.path), text.encode())


def dotted(path: tuple) -> str:
    return ".".join(map(str, path))


def restructured(rng: random.Random) -> Case:
    """A key gone, twice, of another name, elsewhere, or exchanged with another."""
    config = base()
    places = list(inner(config))
    (node, key), (other, name) = rng.choice(places), rng.choice(places)
    what = rng.choice(("missing", "misspelt", "moved", "exchanged", "wrapped", "unwrapped"))
    value = node[key]
    if what == "missing":
        del node[key]
    elif what == "misspelt":
        node[str(key) + "s"] = node.pop(key)
    elif what == "moved":
        other[key] = copy.deepcopy(node.pop(key))
    elif what == "exchanged":
        node[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(value)
    elif what == "wrapped":
        node[key] = [value]
    else:
        node[key] = (
            next(iter(value.values())) if isinstance(value, dict) and value else [value, value]
        )
    return Case(f"structure: {what}", str(key), text_of(config).encode())


def inner(node: Any) -> Iterator[tuple[dict, str]]:
    """Every key of a config, with the keys that it stands among."""
    for key, value in node.items() if isinstance(node, dict) else ():
        yield node, key
        yield from inner(value)


def damaged(rng: random.Random) -> Case:
    """A config's text, torn or turned into something else."""
    text = (ROOT / "config/config.yaml").read_bytes()
    text = b"\n".join(line for line in text.splitlines() if not line.strip().startswith(b"#"))
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(text))
    row = rng.randrange(len(lines))
    what = rng.choice(list(DAMAGES))
    return Case(f"text: {what}", str(at), DAMAGES[what](rng, text, lines, at, row))


def flipped(rng, text, lines, at, row):
    damaged = bytearray(text)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


DAMAGES = {
    "truncated": lambda rng, text, lines, at, row: text[:at],
    "bits flipped": flipped,
    "random bytes": lambda rng, text, lines, at, row: rng.randbytes(rng.choice((1, 10, 1000))),
    "bytes put in": lambda rng, text, lines, at, row: text[:at] + rng.randbytes(3) + text[at:],
    "a sign put in": lambda rng, text, lines, at, row: (
        text[:at]
        + rng.choice((b"\t", b"\0", b"{", b"[", b"*", b"&", b"!", b":", b"\r", b"-", b"%"))
        + text[at:]
    ),
    "a line twice": lambda rng, text, lines, at, row: b"".join(lines[: row + 1] + lines[row:]),
    "a line gone": lambda rng, text, lines, at, row: b"".join(lines[:row] + lines[row + 1 :]),
    "lines exchanged": lambda rng, text, lines, at, row: b"".join(
        rng.sample(lines[: row + 1], row + 1) + lines[row + 1 :]
    ),
    "tabs": lambda rng, text, lines, at, row: text.replace(b"  ", b"\t"),
    "CRLF": lambda rng, text, lines, at, row: text.replace(b"\n", b"\r\n"),
    "BOM": lambda rng, text, lines, at, row: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda rng, text, lines, at, row: text.decode().encode("utf-16"),
    "Latin-1": lambda rng, text, lines, at, row: text + "# ü".encode("latin-1"),
    "two documents": lambda rng, text, lines, at, row: text + b"\n---\n" + text,
    "empty": lambda rng, text, lines, at, row: b"",
    "a list": lambda rng, text, lines, at, row: b"- a\n- b\n",
    "a bomb": lambda rng, text, lines, at, row: BOMBS[rng.choice(list(BOMBS))].encode() + text,
    "bomb as option": lambda rng, text, lines, at, row: text.replace(
        b"hidden: 64",
        b"hidden: &b0 [1,1,1,1,1,1,1,1,1], "
        + b", ".join(
            b"b%d: &b%d [%s]" % (i, i, b",".join([b"*b%d" % (i - 1)] * 9)) for i in range(1, 12)
        ),
    ),
    "5 MB": lambda rng, text, lines, at, row: text + b"\n#" + b"x" * 5_000_000,
    "nested lists by lines": lambda rng, text, lines, at, row: text + b"\nx: " + b"- " * 3000,
    "3,000 algorithms": lambda rng, text, lines, at, row: text.replace(
        b"training: {", b"".join(b"  a%d: *recipe\n" % i for i in range(3000)) + b"training: {"
    ),
    "3,000 pairs": lambda rng, text, lines, at, row: text.replace(
        b"[[plain, masked]]", b"[" + b"[plain, masked], " * 3000 + b"]"
    ),
}


def as_json(rng: random.Random) -> Case:
    """As JSON, with what Python's reader takes though JSON has it not."""
    config = base()
    key = rng.choice(KEYS)
    put(config, key)
    name = rng.choice(list(JSONS))
    text = json.dumps(config).replace(f'"{HERE}"', JSONS[name])
    return Case(f"JSON: {name}", dotted(key.path), text.encode(), ".json")


JSONS = {
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "5,000 digits": "9" * 5000,
    "20 digits": "9" * 20,
    "overflows": "1e999",
    "nested": "[" * 100_000 + "]" * 100_000,
    "nested by 900": "[" * 900 + "]" * 900,
    "key twice": '{"a": 1, "a": 2}',
    "lone surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "raw control": '"\x01"',
    "trailing comma": "[1,]",
    "null": "null",
    "text": '"x"',
    "one": "1",
    "one with a point": "1.0",
    "many with a point": "120.0",
    "two keys": '1, "zzz": 2',
}

KEYS = list(keys(schema_of_a_study()))
KINDS = {valued: 50, renamed: 10, restructured: 15, damaged: 20, as_json: 5}


def cases(seed: int, n: int) -> Iterator[Case]:
    """`n` cases of all kinds."""
    rng = random.Random(seed)
    for _ in range(n):
        yield rng.choices(list(KINDS), list(KINDS.values()))[0](rng)


class Slow(BaseException):
    """Raised where a case takes too long; no `except Exception` may swallow it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Slow in the block after so many seconds."""

    def stop(*_: Any) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(case: Case) -> tuple[str, str]:
    """Run `modeldiff check` on a case in the current, empty folder.

    Returns how it ended ("accepted", "refused", or what is wrong with that) and what was said.
    """
    file, checked = Path(f"study{case.suffix}"), Path("checked.json")
    file.write_bytes(case.content)
    try:
        return judge_words("check", str(file), "--output", str(checked))
    finally:
        file.unlink()
        checked.unlink(missing_ok=True)


def judge_words(*words: str) -> tuple[str, str]:
    """Run a command; what it writes may be its `--output`, and nothing if it is refused."""
    before = set(Path().iterdir())
    try:
        with limited(SECONDS):
            ended = CliRunner().invoke(main, list(words))
    except Slow:
        return "never came back", ""
    except BaseException as error:
        return "traceback", repr(error)
    said = ended.stderr
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        return "traceback", repr(ended.exception)
    if ended.exit_code == 0:
        return "accepted", ended.stdout
    if ended.exit_code != 1:
        return f"exit code {ended.exit_code}", said
    if said.count("\n") != 1 or not said.endswith("\n"):
        return "several lines", said
    if len(said) - 1 > LONGEST:
        return "long line", said
    if not said[:-1].isprintable():
        return "control characters", said
    if set(Path().iterdir()) != before:
        return "left something behind", said
    return "refused", said
