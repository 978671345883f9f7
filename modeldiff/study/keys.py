"""The settings that each stage's result depends on itself, and the hash of all it depends on.

`study/stages.py` says which function is whose, and whose settings stand in whose besides. What is
returned here is part of everybody's keys: another name of an entry makes all results again.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modeldiff.study.study import Study

NO_SUBSETS: dict[str, Any] = {"alpha": 1.0, "models": 0, "evaluation": {"subsets": 0, "repeats": 0}}
Settings = dict[str, Any]


def dataset(study: "Study") -> Settings:
    """Which data, and what is planted into them."""
    data = {"seed": study.seed, "dataset": study.config["dataset"]}
    return data | _code(study, "dataset")


def beton(study: "Study") -> Settings:
    """How training images are compressed."""
    return {"jpeg": study.training.jpeg}


def subsets(study: "Study") -> Settings:
    """How many subsets of which size."""
    return {"subsets": study.config["subsets"]}


def calibration(study: "Study", name: str) -> Settings:
    """What a job is given to train with."""
    given = study.training
    return {"gpu": given.gpu, "threads": given.threads, "width": given.width}


def full(study: "Study", name: str) -> Settings:
    """How an algorithm trains a model, or which checkpoints it has in their place."""
    recipe = _without(study.config["algorithms"][name], "scores")
    of = f"algorithms.{name}", f"checkpoints.{name}"
    how: Settings = {"name": name, "algorithm": recipe} | _code(study, *of)
    if study.beton and study.training.jpeg:  # else both loaders give the same
        how["jpeg"] = study.training.jpeg
    return how


def training(study: "Study", name: str) -> Settings:
    """The same, which subsets, and what a margin is."""
    drawn = study.config.get("subsets", NO_SUBSETS)
    return full(study, name) | {
        "alpha": drawn["alpha"],
        "evaluation": drawn["evaluation"],
        "margin": study.training.margin,
    }


def margins(study: "Study", name: str) -> Settings:
    """How many models."""
    return {"models": study.models}


def grams(study: "Study", name: str) -> Settings:
    """Into which parts models go; not how many there are: those that join are added."""
    return {"folds": study.datamodels.folds}


def datamodels(study: "Study", name: str) -> Settings:
    """The estimator."""
    settings: Settings = {"datamodels": study.regression} | _code(study, "estimator")
    if study.datamodels.prior:
        settings["prior"] = study.datamodels.prior
    return settings


def scores(study: "Study", name: str) -> Settings:
    """Which file; or TRAK, and the model that it takes gradients of."""
    entry = study.config["algorithms"][name]
    computed = study.scores[name].name == "trak"
    kept = ("scores", "model", "preprocess", "code") if computed else ("scores",)
    return {k: entry[k] for k in kept if k in entry} | _code(study, f"scores.{name}")


def comparison(study: "Study", a: str, b: str) -> Settings:
    """How pairs are compared, and the groups of the map; not which other pairs are."""
    settings = _without(study.config["comparison"], "pairs")
    if study.comparison.method == "contrast" and study.proof.groups:
        settings |= {"groups": study.proof.groups} | _code(study, "groups")
    return settings


def predictions(study: "Study", name: str) -> Settings:
    """Which features are shown, and to how many models."""
    shown = _without(_without(study.config["verification"], "candidates"), "mine")
    entries = [f"transformations.{label}" for label in study.transformations]
    return {"verification": shown} | _code(study, *entries)


def trials(study: "Study", name: str) -> Settings:
    """How many models the library is tried on."""
    return {"models": study.candidates}


def gradients(study: "Study", name: str) -> Settings:
    """Of how many models."""
    return {"proposers": study.proof.proposers}


def proposals(study: "Study", a: str, b: str) -> Settings:
    """How many, and the groups that the user names."""
    settings: Settings = {"proposals": study.proof.proposals}
    if study.proof.directions:
        settings["directions"] = study.proof.directions
    if study.proof.groups:
        settings |= {"groups": study.proof.groups} | _code(study, "groups")
    return settings


def retraining(study: "Study", a: str, b: str, name: str, number: str) -> Settings:
    """How the algorithm trains, what a margin is, and which sets there are; not how many models
    the first round has: more can join.
    """
    settings = full(study, name) | {"margin": study.training.margin}
    if number != study.proof.round_names[0]:
        settings["removal"] = study.proof.removal
    return settings | {"round": number}


def looks(study: "Study", a: str, b: str, number: str) -> Settings:
    """After which round, by how many models each, and by which margins."""
    return {"models": study.proof.models, "margins": study.proof.margins, "round": number}


def proof(study: "Study", a: str, b: str) -> Settings:
    """By how many rounds of how many models, and by which margins."""
    chosen = study.proof
    return {"models": chosen.models, "rounds": chosen.rounds, "margins": chosen.margins}


def occlusion(study: "Study", a: str, b: str) -> Settings:
    """What a margin is, and of how many models."""
    models = [study.occlusion_models(name) for name in (a, b)]
    return {"margin": study.training.margin, "models": models}


def baselines(study: "Study", a: str, b: str) -> Settings:
    """By which methods, on how many models, and what is known of the images."""
    chosen = study.baselines
    settings = {"methods": chosen.methods, "models": chosen.models} | _code(study, "baselines")
    if chosen.metadata:
        settings |= {"metadata": chosen.metadata, "of_metadata": _code(study, "metadata")}
    if "jst" in chosen.methods and study.proof.groups:
        settings |= {"groups": study.proof.groups, "of_groups": _code(study, "groups")}
    return settings


def unlearning(study: "Study") -> Settings:
    """Which algorithms stand for what, and how many models of each are asked."""
    return dict(study.config.get("unlearning", {}))


def mined(study: "Study", a: str, b: str) -> Settings:
    """With how many models, and on how many images and attempts; not what is left out then."""
    how = study.mine
    return {"models": how.models, "images": how.images, "crops": how.crops, "steps": how.steps}


def removal(study: "Study", a: str, b: str, name: str) -> Settings:
    """Of which algorithm, how many models, and without how many training images."""
    how = study.mine
    return {"name": name, "removal": how.removal, "models": how.removal_models}


def report(study: "Study") -> Settings:
    """Everything."""
    return {"config": study.config} | _code(study, *study.code)


def nothing(study: "Study", *of: str) -> Settings:
    """Of a stage that depends on no more than what it reads."""
    return {}


def _code(study: "Study", *entries: str) -> Settings:
    """The fingerprints of these entries of the config, if there are any."""
    code = {entry: study.code[entry] for entry in entries if entry in study.code}
    return {"code": code} if code else {}


def _without(entry: Mapping[str, Any], left_out: str) -> Settings:
    """An entry of the config without one of its keys."""
    return {key: value for key, value in entry.items() if key != left_out}


def digest(settings: Mapping[str, Any]) -> str:
    """The first 64 bits, hexadecimal, of SHA-256 over the settings as canonical JSON."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
