"""What the logs of training jobs say: how far a job is, and its last word."""

import re
import time
from pathlib import Path
from typing import NamedTuple

BAR = re.compile(r"(\d+)/\d+ \[([\d:]+)<")  # tqdm: 250/500 [00:05<00:05, 48.2model/s]
TAIL = 4096  # bytes of a log that are read


class Stretch(NamedTuple):
    """One job's training: from when to when (seconds since 1970), and how many models."""

    start: float
    stop: float
    models: int


def progress(log: Path, stretches: list[Stretch]) -> tuple[int, str, float | None]:
    """Models that an unfinished job has trained, its last word if it has ended, and for how many
    seconds it has said nothing; None if there is no log.

    The last word of a job that a user's function has ended stands above that function's traceback.
    """
    try:
        with open(log, "rb") as file:
            stop = file.seek(0, 2)
            file.seek(max(0, stop - TAIL))
            text = file.read().decode(errors="replace")
            changed = log.stat().st_mtime
    except OSError:
        return 0, "", None
    last_bar = None
    after: list[str] = []  # what was said after it
    for line in filter(None, re.split(r"[\r\n]+", text)):
        if bar := BAR.search(line):
            last_bar = bar
            after = []
        else:
            after.append(line.strip())
    done = 0
    if last_bar is not None:
        done = int(last_bar[1])
        seconds = 0
        for part in last_bar[2].split(":"):
            seconds = 60 * seconds + int(part)
        if done and seconds:
            stretches.append(Stretch(changed - seconds, changed, done))
    # Nothing comes after the bar while the job runs, nor once it was killed outright.
    by_modeldiff = [line for line in after if line.startswith("modeldiff: ")]
    word = (by_modeldiff or after or [""])[-1]
    return done, word, time.time() - changed


def last_word(log: Path) -> str:
    """The last line of a job's log, unless it is a progress bar."""
    return progress(log, [])[1]


def last_words(folder: Path, since: float) -> list[str]:
    """The last word of each job whose log in `folder` has changed since then, with the log's path.

    since: seconds since 1970. Jobs that went well have no last word.
    """
    said = []
    for log in sorted(folder.rglob("*.log")):
        word = last_word(log) if log.stat().st_mtime >= since else ""
        if word:
            said.append(f"{log}: {word.removeprefix('modeldiff: ')}")
    return said
