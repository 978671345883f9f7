"""Paths that a user gives: can they be read as a file, can results be written there?"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from modeldiff.core.errors import UserError

LONGEST_NAME = 255  # bytes, on every common file system
ROOM = 400  # bytes that names within a results folder take at most


def regular(path: str | Path) -> os.stat_result:
    """The size and so on of a file to be read; UserError if it is missing or not a file."""
    check(path)
    try:
        return os.stat(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def check(path: str | Path, *, folder: bool = False) -> None:
    """UserError for anything but a file (or folder): reading a pipe would wait forever.

    A path that is missing passes.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL
        raise UserError(f"{path}: cannot be read: no file can have this name") from None
    wanted = stat.S_ISDIR if folder else stat.S_ISREG
    if not wanted(mode):
        must = "a folder" if folder else "a file"
        raise UserError(f"{path}: is {_kind(mode)}; must be {must}")


def unfit(folder: str | Path) -> Iterator[str]:
    """Why files cannot be written to `folder`, which need not exist yet."""
    encoded = os.fsencode(folder)
    if b"\0" in encoded:
        yield "cannot be a folder: no file can have this name"
        return
    longest = max(len(name) for name in encoded.split(b"/"))
    if longest > LONGEST_NAME:
        yield f"has a name of {longest} bytes; must have at most {LONGEST_NAME}"
        return
    if len(encoded) > os.pathconf("/", "PC_PATH_MAX") - ROOM:
        yield f"has {len(encoded):,} bytes, too many for a path"
        return
    path = Path(folder)
    for place in (path, *path.parents):
        try:
            mode = os.stat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():
                yield f"cannot be a folder, since {place} is a link to nothing"
                return
            continue
        except OSError as error:
            yield f"cannot be a folder here: {error.strerror}"
            return
        if not stat.S_ISDIR(mode):
            name = "" if place == path else f", since {place}"
            yield f"cannot be a folder{name} is {_kind(mode)}"
        return


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISREG(mode):
        return "a file"
    return "a pipe, a socket or a device"
