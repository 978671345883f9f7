"""Algorithms whose scores come from elsewhere: what no schema can say of them."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.core.errors import shown
from modeldiff.study import given_files
from modeldiff.study.config_file import KeyPath
from modeldiff.study.estimators import says_how_to_train

FEWEST_PROVING = 5  # models that features are proved on


def impossible(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with scores, their files, and the keys that stand beside them."""
    compared = {name for pair in config["comparison"]["pairs"] for name in pair}
    for name, entry in config["algorithms"].items():
        if "scores" not in entry:
            continue
        at, scores = ("algorithms", name), entry["scores"]
        given: list[tuple[KeyPath, str]] = [
            ((*at, "scores", "checkpoints", i), file)
            for i, file in enumerate(scores.get("checkpoints", ()))
        ]
        if "path" in scores:
            given.append(((*at, "scores", "path"), scores["path"]))
        for path, file in given:
            if scores["name"] == "gradients":
                if not given_files.files([file]):
                    yield path, f"is {shown(file)}, which matches no file here; must be there"
            elif not os.path.isfile(file):  # False, too, where no file can have this name
                yield path, f"is {shown(file)}, which is no file here; must be there"
        trained = says_how_to_train(entry)
        if "model" not in entry:
            if trained or scores["name"] != "file":
                yield (*at, "model"), "is missing"
            for key in ("preprocess", "flip_average"):
                if entry[key]:
                    yield (*at, key), "is not used without `model`: remove it"
        elif scores["name"] == "file" and not trained:
            yield (*at, "model"), "is not used without `optimizer` or `train`: remove it"
        if name in compared and config["comparison"]["method"] == "contrast":
            what = f"is contrast, which compares models, but {name} has scores in their place"
            yield ("comparison", "method"), f"{what}; `residual` would be right"
        if scores["name"] == "gradients" and "mine" in config["verification"]:
            yield from _few(at, scores, config["verification"]["mine"]["models"])


def _few(at: KeyPath, scores: Mapping[str, Any], finding: int) -> Iterator[tuple[KeyPath, str]]:
    """Checkpoints too few to find features on the first `finding`, and prove them on others."""
    held = len(given_files.files(scores["checkpoints"]))
    fewest = finding + FEWEST_PROVING
    if held < fewest:
        what = f"are {held}; must be {fewest} or more"
        why = f"features are found on {finding} models and proved on others"
        yield (*at, "scores", "checkpoints"), f"{what}: {why}"
