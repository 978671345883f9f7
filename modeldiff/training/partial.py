"""What a shard has so far, beside its output: a job that was cut short goes on from there.

The file is no declared output of its rule: those are deleted when a job fails.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from modeldiff import files
from modeldiff.errors import Damaged, UserError

SAVE = 60  # seconds of work that a job killed outright may lose, besides the group in training


class Stopped(BaseException):
    """The scheduler (SIGTERM) or the user (SIGINT) ends this job; not for `except Exception`."""


class Partial:
    """The finished models of a shard: their rows, in order, and the causes of those that failed."""

    def __init__(self, path: Path, key: str):
        self.path, self.key = path, key
        self.rows: list[np.ndarray] = []
        self.failed: dict[str, str] = {}
        self._saved, self._when = 0, time.monotonic()
        if not path.exists():
            return
        try:
            self.rows = list(np.load(files.verify(path, key), allow_pickle=False))
            self.failed = files.record(path)["failed"]
            self._saved = len(self.rows)
        except Damaged as error:
            print(f"modeldiff: {error}: ignored, its models are trained again", file=sys.stderr)

    def save_if_due(self) -> None:
        """Save, but not more often than every SAVE seconds."""
        if time.monotonic() - self._when >= SAVE:
            self.save()

    def save(self) -> None:
        """Write what is new, if anything is."""
        if len(self.rows) > self._saved:
            with files.artefact(self.path, self.key, failed=self.failed) as file:
                np.save(file, np.stack(self.rows))
            self._saved = len(self.rows)
        self._when = time.monotonic()


@contextmanager
def resumable(output: str | Path, key: str, *how: object) -> Iterator[Partial]:
    """The state of the job that makes `output`: saved if the block fails, removed if it ends.

    key: of the settings; with `how` (models, width, device), what the rows' bytes depend on.
    """
    output = Path(output)
    path = output.with_name(f".{output.name}.{key}.partial")
    partial = Partial(path, ":".join(map(str, (key, *how))))
    with _stoppable():
        try:
            yield partial
        except BaseException as error:
            partial.save()
            if isinstance(error, Stopped):
                raise UserError(
                    f"{output}: stopped by {error}; {len(partial.rows)} finished models are kept, "
                    "the same command goes on from there"
                ) from None
            raise
    for left in (path, files.record_path(path)):
        left.unlink(missing_ok=True)


@contextmanager
def _stoppable() -> Iterator[None]:
    """The first SIGTERM or SIGINT raises Stopped; later ones do not disturb the saving."""
    if threading.current_thread() is not threading.main_thread():  # only it may handle signals
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
