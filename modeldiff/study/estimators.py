"""Models that are scikit-learn's: `model: {name: "sklearn:linear_model.LogisticRegression"}`.

They are fitted, not trained by steps, and have no gradients. No torch here: Snakemake reads this.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modeldiff.study.config_file import KeyPath

PREFIX = "sklearn:"
COMPARED_BY = ("predictions",)  # ways to compare models that ask for predictions alone


def is_estimator(name: str) -> bool:
    """Whether a model's name is that of a class or function of scikit-learn's."""
    return name.startswith(PREFIX)


def says_how_to_train(entry: Mapping[str, Any]) -> bool:
    """Whether a config's algorithm says how to train, and not only what its model is."""
    if entry.keys() & {"train", "optimizer"}:
        return True
    return is_estimator(entry.get("model", {}).get("name", ""))


def contradicted(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What a config asks of a model of scikit-learn's that only a torch module has."""
    names = []
    for name, entry in config["algorithms"].items():
        if is_estimator(entry.get("model", {}).get("name", "")):
            names.append(name)
            for key in ("train", "finish", "trains"):
                if key in entry:
                    what = "is for torch modules, but the model is scikit-learn's: remove it"
                    yield ("algorithms", name, key), what
            if entry.get("scores", {}).get("name") in ("trak", "gradients"):
                what = "takes gradients, which a model of scikit-learn's does not have"
                yield ("algorithms", name, "scores", "name"), f"{what}; must be file"
    compared = {name for pair in config["comparison"]["pairs"] for name in pair}
    without = [name for name in names if name in compared]
    if not without:
        return
    none = f"the model of {without[0]} is scikit-learn's, which has no gradients"
    if config["proof"]["proposals"] if "proof" in config else 0:
        at: KeyPath = ("proof", "proposals")
        yield at, f"{none}: must be 0, with `directions` or `groups`"
    if "prior" in config["datamodels"]:
        yield ("datamodels", "prior"), f"{none}: remove it"
    if "mine" in config["verification"]:
        yield ("verification", "mine"), f"{none}: remove it"
    for i, method in enumerate(config.get("baselines", {}).get("methods", [])):
        if ":" not in method and method not in COMPARED_BY:
            what = f"is {method}, but the model of {without[0]} is scikit-learn's"
            yield ("baselines", "methods", i), f"{what}; must be {' or '.join(COMPARED_BY)}"
