"""What an example can be: an image, a row of a table, a text, a sequence.

All that depends on it is said here.

No torch here: Snakemake reads this module to build its plan.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modeldiff.core.errors import UserError, described, shown
from modeldiff.study.config_file import KeyPath
from modeldiff.study.estimators import is_estimator

Parts = Mapping[str, tuple[str, ...]]
COMPARING = ("predictions", "cka", "cca", "dcca")  # ways to compare models that need no images


@dataclass(frozen=True)
class Kind:
    """A kind of examples.

    name: as a manifest says it. one, many: what the page and the terminal call them. piece: what
    each consists of, and what can be left out of it; empty of images. dtype and sides: of the
    arrays that hold them, [n x sides]. parts: by their role, the parts that come with ModelDiff and
    exist for this kind; of images, for which most exist, those shared with others.
    """

    name: str
    one: str
    many: str
    piece: str
    dtype: str
    sides: tuple[str, ...]
    parts: Parts

    @property
    def array(self) -> str:
        """What holds examples of this kind, in words."""
        return f"{self.dtype} [{' x '.join(('n', *self.sides))}]"

    def said(self, text: str) -> str:
        """A text of ours about images, in the words of this kind."""
        return self._words.sub(self._word, text) if self.name != "image" else text

    @property
    def _words(self) -> re.Pattern[str]:
        """`image` as a word of its own; `<image`, `image=` and the like are markup."""
        return re.compile(r"(?<![<\w-])(an )?(image)(s?)(?![\w=-])", re.IGNORECASE)

    def _word(self, found: re.Match[str]) -> str:
        article = {"a": "a ", "A": "A "}[found[1][0]] if found[1] else ""
        word = self.many if found[3] else self.one
        return article + (word.capitalize() if found[2][0].isupper() else word)

    def holds(self, array: Any) -> bool:
        """Whether an array, or what is like one, holds examples of this kind, one at least."""
        right = getattr(array, "dtype", None) == np.dtype(self.dtype)
        return right and len(array.shape) == 1 + len(self.sides) and 0 not in array.shape


IMAGE = Kind(
    name="image",
    one="image",
    many="images",
    piece="",
    dtype="uint8",
    sides=("channels", "height", "width"),
    parts={"model": ("mlp",), "baseline": (*COMPARING, "ddv", "jst")},
)
TABLE = Kind(
    name="table",
    one="row",
    many="rows",
    piece="column",
    dtype="float32",
    sides=("columns",),
    parts={
        "model": ("mlp",),
        "preprocess": ("standardise", "drop_columns"),
        "transformation": ("set_column", "shift_column", "bin_column"),
        "baseline": COMPARING,
    },
)
TEXT = Kind(
    name="text",
    one="text",
    many="texts",
    piece="word",
    dtype="uint8",
    sides=("bytes",),
    parts={
        "model": ("bag_of_words", "transformer"),
        "transformation": (
            *("insert_phrase", "replace_phrase", "delete_phrase"),
            *("change_case", "negate"),
        ),
        "baseline": COMPARING,
    },
)
SEQUENCE = Kind(
    name="sequence",
    one="sequence",
    many="sequences",
    piece="symbol",
    dtype="uint8",
    sides=("length",),
    parts={
        "model": ("recurrent",),
        "transformation": ("append_symbols", "insert_symbols"),
        "baseline": (*COMPARING, "automata"),
    },
)
KINDS = {kind.name: kind for kind in (IMAGE, TABLE, TEXT, SEQUENCE)}
# Data sets by name, but for images.
SOURCES = {
    "table": TABLE,
    "sklearn": TABLE,
    "texts": TEXT,
    "sequences": SEQUENCE,
    "tomita": SEQUENCE,
}


def of_source(name: str) -> Kind | None:
    """The kind of a data set by its name in a config; None of one's own: its function says it."""
    return None if ":" in name else SOURCES.get(name, IMAGE)


def of_array(array: Any) -> Kind:
    """The kind of examples that an array holds, or a tensor, wherever they are used.

    Sequences are taken for texts: only their data set knows that they have an alphabet.
    """
    if array.ndim == 1 + len(IMAGE.sides):
        return IMAGE
    if array.ndim == 1 + len(TABLE.sides):
        return TABLE if "float" in str(array.dtype) else TEXT
    raise UserError(f"examples: are {described(array)}; must be of a known kind")


def encoded(texts: Sequence[str], length: int) -> np.ndarray:
    """Texts as the bytes of their UTF-8, uint8 [n x length], cut or padded with zeros."""
    content = np.zeros((len(texts), length), np.uint8)
    for row, text in zip(content, texts, strict=True):
        kept = text.replace("\0", " ").encode()[:length]
        row[: len(kept)] = np.frombuffer(kept, np.uint8)
    return content


def decoded(content: np.ndarray) -> list[str]:
    """The texts again; a letter that was cut in two is left out."""
    return [row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in content.astype(np.uint8)]


def unpacked(examples: np.ndarray) -> np.ndarray:
    """Examples as transformations take them: images as float32 in [0, 1], others as they are."""
    if of_array(examples) is IMAGE and examples.dtype == np.uint8:
        return examples.astype(np.float32) / 255
    return examples


def packed(examples: np.ndarray) -> np.ndarray:
    """The reverse: as they are kept on disk."""
    if of_array(examples) is IMAGE:
        return np.round(np.clip(examples, 0, 1) * 255).astype(np.uint8)
    return examples


def unsuited(config: Mapping[str, Any], kind: Kind) -> Iterator[tuple[KeyPath, str]]:
    """The keys of a checked config that ask for what does not exist for this kind of examples."""
    for path, role, name in _named_parts(config):
        if kind is SEQUENCE and is_estimator(name):
            yield path, f"is {shown(name)}, which is not for sequences; must be a torch module"
        if ":" in name:
            continue
        exists = kind.parts.get(role, ())
        elsewhere = [other for other in KINDS.values() if name in other.parts.get(role, ())]
        if name in exists or (kind is IMAGE and not elsewhere):
            continue
        what = f"is {shown(name)}, which is not for {kind.many}"
        yield path, f"{what}; must be {' or '.join(exists)}" if exists else what
    if kind is IMAGE:
        return
    only = f"is for images only, but the examples are {kind.many}: remove it"
    for name, algorithm in config["algorithms"].items():
        for key in ("augment", "flip_average"):
            if algorithm.get(key):
                yield ("algorithms", name, key), only
    for key in ("mine", "candidates"):
        if config["verification"].get(key):
            yield ("verification", key), only
    if config["training"]["loader"] == "ffcv":
        yield ("training", "loader"), f"is ffcv, which {only.removeprefix('is ')}"


def _named_parts(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """Parts that a config names: where, the key of `Kind.parts`, and the name."""
    for name, algorithm in config["algorithms"].items():
        at: KeyPath = ("algorithms", name)
        if "model" in algorithm:
            yield (*at, "model", "name"), "model", algorithm["model"]["name"]
        for i, step in enumerate(algorithm["preprocess"]):
            yield (*at, "preprocess", i, "name"), "preprocess", step["name"]
    for name, entry in config["verification"]["transformations"].items():
        yield ("verification", "transformations", name, "name"), "transformation", entry["name"]
    if plant := config["dataset"].get("plant"):
        yield ("dataset", "plant", "feature"), "transformation", plant["feature"]
    for i, method in enumerate(config.get("baselines", {}).get("methods", [])):
        yield ("baselines", "methods", i), "baseline", method
