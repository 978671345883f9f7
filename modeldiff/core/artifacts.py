"""A file is complete or absent, and says where it comes from.

An artifact `x` has a record `x.json` beside it: checksum, size, the key of the settings it was made
from, and how it was made (versions, hardware, time). Both are written under temporary names and
renamed, the record first: an artifact without a matching record is never trusted.
"""

import errno
import hashlib
import json
import os
import pickle
import platform
import subprocess
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from modeldiff.core.errors import CorruptArtifact, UserError

PACKAGES = ("modeldiff", "numpy", "torch", "scikit-learn", "snakemake")
# What NumPy, torch, pandas and json raise for files that hold something else.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)
# Errors of a full or read-only disk; anything else is our own fault and keeps its traceback.
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` if, and only if, the block ends without error."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as .npz: like `np.savez`, but under any name and always the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as JSON text that is the same for the same content."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


@contextmanager
def write(path: str | Path, key: str, **facts: Any) -> Iterator[BinaryIO]:
    """Write the artifact `path` and its record.

    key: identifies all settings the content depends on (`Study.key`).
    facts: further entries of the record, JSON values; `facts` may be filled inside the block.
    """
    start = time.time()
    with atomic_write(path) as file:
        yield file
        file.flush()
        content = {"key": key, "bytes": file.seek(0, os.SEEK_END), "sha256": digest(file)}
        content |= {"seconds": round(time.time() - start, 3)} | facts | origin()
        write_json(record_path(path), content)


def record_path(path: str | Path) -> Path:
    """The path of the record of the artifact `path`."""
    return Path(f"{path}.json")


def record(path: str | Path) -> dict[str, Any]:
    """The record of the artifact `path`; `CorruptArtifact` if it is missing or unreadable.

    Without a record nothing shows that the file is an artifact, so it is left in place.
    """
    try:
        content: dict[str, Any] = json.loads(record_path(path).read_text())
        if not content.keys() >= {"key", "bytes", "sha256"}:
            raise ValueError
    except (OSError, ValueError, AttributeError):
        said = f"{path}: has no readable record {record_path(path).name}"
        raise CorruptArtifact(f"{said}; if it is ModelDiff's, remove it and run again") from None
    return content


def made_for(paths: Sequence[str | Path], key: str) -> list[str | Path]:
    """Those of the artifacts that were made for `key`, by their records."""
    return [path for path in paths if record(path)["key"] == key]


def verify(path: str | Path, key: str) -> Path:
    """Return `path` if it is complete and was made for `key`; else `CorruptArtifact` names it."""
    expected = record(path)
    if expected["key"] != key:
        raise CorruptArtifact(
            f"{path}: was made from other settings (key {expected['key']}, not {key})"
        )
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != expected["bytes"]:
                said = f"{path}: has {size} bytes, not {expected['bytes']}: truncated"
                raise CorruptArtifact(said, artifact=path)
            if digest(file) != expected["sha256"]:
                said = f"{path}: its content has changed since it was written (checksum)"
                raise CorruptArtifact(said, artifact=path)
    except FileNotFoundError:
        raise CorruptArtifact(f"{path}: is missing") from None
    except OSError as error:  # a folder in its place, for one
        raise CorruptArtifact(f"{path}: cannot be read: {error.strerror or error}") from None
    return Path(path)


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Wraps the reading of an artifact's content: `CorruptArtifact` if it is not a `what`."""
    try:
        yield
    except UNREADABLE:
        raise CorruptArtifact(f"{path}: is not a {what}", artifact=path) from None


class Arrays(dict[str, np.ndarray]):
    """The arrays of an .npz artifact by name."""

    def __init__(self, path: Path, content: Mapping[str, np.ndarray]):
        super().__init__(content)
        self.path = path

    def __missing__(self, name: str) -> np.ndarray:
        raise CorruptArtifact(f"{self.path}: has no array {name!r}", artifact=self.path)


def arrays(path: str | Path, key: str) -> Arrays:
    """All arrays of an .npz artifact made for `key`; `CorruptArtifact` if it is something else."""
    verified = verify(path, key)
    with reading(path, "file of arrays"), np.load(verified, allow_pickle=False) as archive:
        return Arrays(verified, dict(archive))


def array(path: str | Path, key: str, *, kind: str, dimensions: int) -> np.ndarray:
    """An .npy artifact made for `key`, memory-mapped; `CorruptArtifact` if it is something else.

    kind: kinds of dtype that it may have, as NumPy names them: "f" floats, "u" unsigned integers.
    """
    verified = verify(path, key)
    try:
        content: np.ndarray = np.load(verified, mmap_mode="r", allow_pickle=False)
        right = content.dtype.kind in kind and content.ndim == dimensions
    except UNREADABLE:
        right = False
    if not right:
        said = f"{path}: is not an array of {dimensions} dimensions and dtype kind {kind!r}"
        raise CorruptArtifact(said, artifact=path)
    return content


def discard(path: str | Path) -> bool:
    """Remove a damaged artifact and its record, so that the next run makes it again.

    Returns whether it is gone. A folder in its place is kept, since ModelDiff did not make it.
    """
    for file in (Path(path), record_path(path)):
        with suppress(OSError):
            file.unlink()
    return not Path(path).exists()


def digest(file: BinaryIO) -> str:
    """SHA-256 of an open file, from its start, in bounded memory."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def origin() -> dict[str, Any]:
    """What made an artifact: time, versions, hardware."""
    return {"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} | _origin()


@cache
def _origin() -> dict[str, Any]:
    return {
        "code": _commit(),
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "cpu": _cpu()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the package's checkout, None if it was installed from a wheel."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
