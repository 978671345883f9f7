"""What has changed since a study was last run, and what that makes again.

No torch here: Snakemake says these lines before it builds its plan.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.jobs import sharding
from modeldiff.study import Study, fingerprints, stages
from modeldiff.study.fingerprints import listed
from modeldiff.study.stage import Names
from modeldiff.study.stages import STAGES

SHOWN = 5  # names of what has changed


def lines(study: Study) -> Iterator[str]:
    """What has changed since the run whose results lie in the study's folder; nothing if nothing.

    Told from the checked study that the last run wrote, and from the records of its models.
    """
    path = Path(study.folder) / stages.STUDY
    if not path.is_file():
        return
    try:
        before = Study.recorded(path)
    except UserError:  # of another version of modeldiff: all is made again anyway
        return
    names = [*_code(before, study), *_keys(before.config, study.config)]
    if names:
        again = _trained_again(before, study)
        yield f"changed since the last run: {listed(names, SHOWN)}; {again}"


def data(study: Study) -> Iterator[str]:
    """Whether the user's own source gives other data than were prepared of it; it is called.

    That happens where it reads other files than before, which no key sees.
    """
    from modeldiff import dataset

    manifest = Path(study.folder) / stages.path("dataset")
    if not fingerprints.is_own(study.dataset.name):
        return
    try:
        other = dataset.differences(study, manifest)
    except CorruptArtifact:  # nothing was prepared, or of other settings: it will be made again
        return
    if other:
        yield (
            f"{study.dataset.name} gives other {' and '.join(other)} than those prepared: a new "
            "`dataset.code`, e.g. v2, has them prepared, and all models trained, again"
        )


def _code(before: Study, study: Study) -> list[str]:
    """The modules, packages and files that have changed, of entries that were there before."""
    if study.code and not before.code:
        return ["the code of your own, which no earlier run has recorded"]
    both = before.code.keys() & study.code.keys()
    old = {entry: before.code[entry] for entry in both}
    new = {entry: study.code[entry] for entry in both}
    return fingerprints.changed(old, new)


def _keys(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """The dotted keys of the config whose values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _keys(before.get(key), now.get(key), f"{at}.{key}" if at else key)
    elif before != now:
        yield at


def _trained_again(before: Study, study: Study) -> str:
    """Which models of the last run are of no use any more."""
    parts = []
    for stage, what in (
        (STAGES["training"], "models"),
        (STAGES["full"], "full-data models"),
        (STAGES["retraining"], "retrained models"),
    ):
        stale: dict[str, int] = {}
        for names in stage.of(study):
            if names in stage.of(before):
                name = stage.algorithm(names)
                stale[name] = stale.get(name, 0) + _stale(before, study, stage.name, names)
        stale = {name: models for name, models in stale.items() if models}
        if stale:
            parts.append(f"{sum(stale.values()):,} {what} of {' and '.join(stale)}")
    return f"{' and '.join(parts)} are trained again" if parts else "no model is trained again"


def _stale(before: Study, study: Study, stage: str, names: Names) -> int:
    """How many models were made for settings that are no longer the study's."""
    if before.key(stage, *names) == study.key(stage, *names):
        return 0
    made = sharding.finished(before, stage, names, study.folder)
    return sum(stop - start for start, stop in made.items())
