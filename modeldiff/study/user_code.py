"""Functions of the user's own, named by import path: whose fault it is when one of them fails.

No torch here: Snakemake imports this module to build its plan.
"""

import errno
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import FrameSummary, TracebackException, clear_frames
from typing import Any

from modeldiff.core.errors import UserError, described

LONGEST = 200  # characters of an error's first line, "modeldiff: " included
DETAILS = 3000  # characters of a traceback; a log's last 4,096 bytes then hold the line above it
CODE = 60  # characters of the user's own last line

PACKAGE = f"{Path(__file__).parents[1]}/"
PACKAGES = tuple(f"{sysconfig.get_path(name)}/" for name in ("purelib", "platlib"))
PYTHON = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))


def is_own(part: str) -> bool:
    """Whether a part named in a config is an import path, not one that is built in."""
    return ":" in part


@contextmanager
def running(part: str, of: str = "", *, begin: str = "") -> Iterator[None]:
    """Around each call of a part: what the user's own raises becomes a UserError that names it.

    part: as the config names it. of: what it was called for, e.g. "model 17 of plain". begin: of
    the line, in place of both.
    Its line ends with the last line of the user's own; its details are the traceback without
    ModelDiff's frames. What a built-in part raises is left as it is, and so are UserErrors, what
    stops a job, and a GPU without enough memory (fewer models at once may fit).
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if not is_own(part) or type(error).__name__ == "OutOfMemoryError":
            raise
        found = TracebackException.from_exception(error)
        file = _file(part)
        line = _line(begin or _named(part, of), _said(error), _place(found, file))
        clear_frames(error.__traceback__)  # closes the files and frees the memory they hold
        raise UserError(line, _traceback(found, file)) from None


def refused(part: str, of: str, came: Any, wanted: str) -> UserError:
    """The error for a result that breaks the contract; `came`: the result, or what is wrong."""
    what = came if isinstance(came, str) else f"returned {described(came)}"
    return UserError(_line(_named(part, of), f"{what}; must be {wanted}"))


def shortened(text: str, most: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: max(most - 3, 0)]}..."


def _named(part: str, of: str) -> str:
    return f"{part} ({of})" if of else part


def _line(name: str, said: str, place: str = "") -> str:
    """Name and place are kept whole if they can be: what was said is shortened to make room."""
    room = LONGEST - len("modeldiff: ")
    left = room - len(name) - len(place) - len(": ")
    return shortened(f"{name}: {shortened(said, max(left, 40))}{place}", room)


def _said(error: BaseException) -> str:
    """What was raised, in one line; for what the machine lacks, what would help as well."""
    try:
        message = str(error) or "no message"
    except Exception:
        message = "no readable message"
    text = f"{type(error).__name__}: {message}"
    if isinstance(error, MemoryError) or "allocate memory" in message:
        return f"needs more memory than there is: smaller arrays or batches would help: {text}"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many open files: close them (`with open(...)`), or raise `ulimit -n`: {text}"
    if isinstance(error, SystemExit):
        return f"ended the program ({text}); must return, or raise an error"
    return text


def _file(part: str) -> str | None:
    """The file of the part's module, which is the user's own wherever it is installed."""
    module = sys.modules.get(part.partition(":")[0])
    return getattr(module, "__file__", None)


def _is_users(frame: FrameSummary, file: str | None) -> bool:
    """Whether a frame is of the user's own code: not ModelDiff's, Python's or a package's."""
    name = frame.filename
    return name == file or not name.startswith(("<", PACKAGE, *PYTHON, *PACKAGES))


def _place(found: TracebackException, file: str | None) -> str:
    """The last line of the user's own that ran: ` (mine.py, line 33: loss.backward())`."""
    own = [frame for frame in found.stack if _is_users(frame, file)]
    if not own:
        return ""
    last = own[-1]
    code = f": {shortened(last.line, CODE)}" if last.line else ""
    return f" ({Path(last.filename).name}, line {last.lineno}{code})"


def _traceback(found: TracebackException, file: str | None) -> str:
    """The traceback from the user's first line on, without ModelDiff's frames; "" if none is left.

    A layer of torch's that is used wrongly may fail without a line of the user's: then torch's.
    """
    kept = _cut(found, file)
    text = "".join(found.format()).rstrip() if kept else ""
    half = DETAILS // 2
    return text if len(text) <= DETAILS else f"{text[:half]}\n...\n{text[-half:]}"


def _cut(found: TracebackException, file: str | None) -> bool:
    """Cut the frames of an error, and of those it came from; whether any are left of its own."""
    for before in (found.__cause__, found.__context__):
        if before is not None:
            _cut(before, file)
    own = [i for i, frame in enumerate(found.stack) if _is_users(frame, file)]
    if own:
        kept = found.stack[own[0] :]
    else:
        kept = [frame for frame in found.stack if frame.filename.startswith(PACKAGES)]
    found.stack[:] = [frame for frame in kept if not frame.filename.startswith(("<", PACKAGE))]
    return bool(found.stack)
