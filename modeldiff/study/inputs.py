"""What goes into a result: the files that it is made from, and all settings that it depends on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modeldiff.study.stage import Names, Stage
from modeldiff.study.stages import MAKERS, STAGES, WEIGHTS

if TYPE_CHECKING:
    from modeldiff.study.study import Study


def files(study: "Study", name: str, given: str, *of: str) -> list[Names]:
    """The files of one input of a stage, each with whose it is: `("margins", "plain")`.

    given: what the input is called in the stage's rule. of: whose result they go into, as for
    `Study.key`. None where one of them is not made in this study.
    """
    stage = STAGES[name]
    read = []
    for file in stage.inputs[given]:
        if not stage.reads(file, study):
            return []
        for names in _whose(study, stage, file, of):
            if file == WEIGHTS:
                read.append((study.weights(*names), *names))
            elif names in MAKERS[file].of(study):
                read.append((file, *names))
            else:
                return []
    return read


def settings(study: "Study", name: str, *of: str) -> dict[str, Any]:
    """All settings that a result depends on, itself or through what it is made from.

    of: whose result, as for `Study.key`.
    """
    stage = STAGES[name]
    result = {"version": stage.version} | stage.settings(study, *of)
    for file in stage.settings_of:
        if not stage.reads(file, study):
            continue
        maker = MAKERS[file]
        of_each = []
        for names in _whose(study, stage, file, of):
            if maker.per == "retrained" and names[-1] != study.proof.round_names[0]:
                continue  # the first round stands for all: they differ by their numbers alone
            made_by = study.weights(*names) if file == WEIGHTS else maker.name
            of_each.append(settings(study, made_by, *names))
        of_both = stage.per in ("pair", "look", "study") and maker.per not in ("pair", "study")
        if of_each:
            result[maker.name] = of_each if of_both else of_each[0]
    if name == "subsets":
        # The data set's settings stand beside the subsets' own, not under a name: another place
        # would be another key, and everybody's masks made again. Versions only rise, so that
        # their sum changes with either.
        data = result.pop("dataset")
        result |= data
        result["version"] = data["version"] + stage.version - 1
    return result


def _whose(study: "Study", stage: Stage, file: str, of: Names) -> Sequence[Names]:
    """Of whom a stage reads a file for its result `of`."""
    maker = MAKERS[file]
    if maker.per == "study" and stage.per != "study":
        return [()]
    if stage.per == "study":  # one for all that have the file
        return [(name,) for name in study.compared] if file == WEIGHTS else maker.of(study)
    if maker.per == "retrained":
        a, b, *last = of
        rounds = study.proof.round_names[: int(last[0])] if last else study.proof.round_names
        return [(a, b, name, number) for number in rounds for name in (a, b)]
    if maker.per == "look":  # after the round before
        a, b, _, number = of
        return [(a, b, str(int(number) - 1))] if number != study.proof.round_names[0] else []
    if stage.per in ("retrained", "look", "side"):
        return [of[:2]]
    if stage.per == "pair" and maker.per != "pair":
        return [(name,) for name in stage.algorithms(study, *of)]
    return [of]
