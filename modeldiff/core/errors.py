"""What a user reads when something is wrong: one line, never a traceback of ModelDiff's own."""

from pathlib import Path
from typing import Any

LONGEST = 188  # characters of a message; a line begins with "modeldiff: " and has at most 200
VALUE = 40  # characters of a value, or of a key, in a message


class UserError(Exception):
    """A mistake, or a state of the disk, that the user can fix.

    The message is one line of at most `LONGEST` printable characters, whatever its parts.
    details: what is printed below the line, e.g. the traceback of a function of the user's own.
    """

    def __init__(self, message: str, details: str = ""):
        super().__init__(shortened(printable(message), LONGEST))
        self.details = details

    def report(self) -> str:
        """The line and, below it, the details: what is printed before the program ends."""
        return "\n".join(filter(None, (f"modeldiff: {self}", self.details)))


class CorruptArtifact(UserError):
    """An artifact that is truncated, altered, or made from other inputs than the study's.

    artifact: its path, if its content is damaged, so that it must be made again.
    """

    def __init__(self, message: str, details: str = "", artifact: str | Path | None = None):
        super().__init__(message, details)
        self.artifact = artifact


def printable(text: str) -> str:
    """`text` with line breaks, control characters and the like as Python writes them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(text: str, longest: int) -> str:
    """`text` without its middle if it is longer: the mistake comes first, the advice last."""
    if len(text) <= longest:
        return text
    kept = longest - len(" ... ")
    tail = kept * 2 // 5
    return f"{text[: kept - tail]} ... {text[-tail:]}"


def shown(value: Any) -> str:
    """A value for a message: in full if it is short, else its beginning and its length."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integers of more than 4,300 digits
        return f"an integer of {value.bit_length():,} bits"
    if len(text) <= VALUE:
        return text
    return f"{printable(text[:VALUE])}... ({len(text):,} characters)"


def described(value: Any) -> str:
    """A value in few words: `float64 [50 x 10]`, `list of 3`, `None`."""
    shape = getattr(value, "shape", None)
    kind = getattr(value, "dtype", type(value).__name__)
    if isinstance(shape, tuple):
        sides = " x ".join(map(str, shape))
        return f"{str(kind).removeprefix('torch.')} [{sides}]"
    if value is None:
        return "None"
    if isinstance(value, list | tuple | dict | set):
        return f"{kind} of {len(value)}"
    return f"{kind} {shown(value)}" if isinstance(value, bool | int | float | str) else str(kind)
