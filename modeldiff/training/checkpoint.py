"""The progress of a job, kept beside its output: an interrupted job continues from there.

Each save adds a file with the new models. If a model takes long, its state after an epoch is kept,
too. These files are not declared as outputs of a rule, since those are deleted when a job fails.
"""

import glob
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError

SAVE = 60  # seconds of finished models that a killed job may lose
MIDWAY = 300  # and of the group in training, besides the epoch
AGAIN = 1.0  # seconds
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """The scheduler (SIGTERM) or the user (SIGINT) ends this job; not for `except Exception`."""


class JobCheckpoint:
    """The finished models of a job: a row for each, in order, and the causes of failures.

    Also the state of the next group of models, in training, if that takes long.
    """

    def __init__(self, output: Path, key: str, how: str):
        self._path, self._key = output.with_name(f".{output.name}.{key}"), f"{key}:{how}"
        self.rows: list[np.ndarray] = []
        self.failed: dict[str, str] = {}
        self.saved = 0  # rows that lie in files
        self._when = time.monotonic()
        while (path := self._next()).exists():
            try:
                # Margins, or the bytes of full-data models.
                rows = artifacts.array(path, self._key, kind="fu", dimensions=2)
                self.failed |= artifacts.record(path)["failed"]
            except CorruptArtifact as error:
                print(f"modeldiff: {error}: ignored, its models are trained again", file=sys.stderr)
                return
            self.rows.extend(rows)
            self.saved = len(self.rows)

    def _next(self) -> Path:
        """The file that holds, or will hold, the rows that are not saved yet."""
        return self._path.with_name(f"{self._path.name}-{self.saved}.partial")

    def save_if_due(self) -> None:
        """Save, but not more often than every SAVE seconds."""
        if time.monotonic() - self._when >= SAVE:
            self.save()

    def save(self) -> None:
        """Write what is new, if anything is."""
        if new := self.rows[self.saved :]:
            with artifacts.write(self._next(), self._key, failed=self.failed) as file:
                np.save(file, np.stack(new))
            self.saved = len(self.rows)
        self._when = time.monotonic()

    def _midway(self, models: int, part: int) -> tuple[Path, str]:
        """File and key of the state of the next group of `models`, after the finished rows.

        part: of an algorithm that trains several models in place of one, which of these. Each has a
        file of its own, so that those that have ended are not trained again.
        """
        number = f"-{part}" if part else ""
        path = self._path.with_name(f"{self._path.name}-midway{number}.partial")
        return path, f"{self._key}:{len(self.rows)}+{models}"

    def save_midway_if_due(
        self, models: int, state: Callable[[], dict[str, Any]], part: int = 0
    ) -> None:
        """Save the state of the group of `models` in training, but only every MIDWAY seconds."""
        if time.monotonic() - self._when >= MIDWAY:
            self.save()  # the models before it: it is of use only after them
            path, key = self._midway(models, part)
            with artifacts.write(path, key) as file:
                torch.save(state(), file)

    def midway(self, models: int, part: int = 0) -> dict[str, Any] | None:
        """The saved state of such a group, on the CPU; None if there is none."""
        path, key = self._midway(models, part)
        try:
            if not path.exists() or artifacts.record(path)["key"] != key:
                return None  # of a group that has ended since
            artifacts.verify(path, key)
            with artifacts.reading(path, "state of models in training"):
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except CorruptArtifact as error:
            print(f"modeldiff: {error}: ignored, its epochs are trained again", file=sys.stderr)
            return None
        return state

    def remove(self) -> None:
        """Remove its files."""
        for left in self._path.parent.glob(f"{glob.escape(self._path.name)}-*.partial*"):
            left.unlink()


@contextmanager
def resumable(output: str | Path, key: str, *how: object) -> Iterator[JobCheckpoint]:
    """The state of the job that makes `output`: saved if the block fails, removed if it ends.

    key: of the settings; with `how` (models, width, device), what the rows' bytes depend on.
    """
    output = Path(output)
    checkpoint = JobCheckpoint(output, key, ":".join(map(str, how)))
    with _stoppable():
        try:
            yield checkpoint
        except BaseException as error:
            finish()
            with suppress(OSError, UserError):  # report what ended the job, not this
                checkpoint.save()
            if isinstance(error, Stopped):
                raise UserError(
                    f"{output}: stopped by {error}; {checkpoint.saved} finished models are kept, "
                    "the same command continues from there"
                ) from None
            raise
        checkpoint.remove()


def finish() -> None:
    """Ignore SIGTERM and SIGINT from here on: what is left to do is short.

    A scheduler that ends a job just after its output was written would throw the output away.
    """
    if threading.current_thread() is threading.main_thread():  # only it may handle signals
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM and SIGINT raise Stopped, again and again: a user's own function may catch the first.

    Signals within AGAIN seconds are one order, given twice.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    last = float("-inf")

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= AGAIN:
            last = time.monotonic()
            raise Stopped(signal.Signals(number).name)

    before = {each: signal.signal(each, stop) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
