"""What a study will do and what it will cost."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modeldiff import dataset
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.dataset.pictures import listing
from modeldiff.jobs import sharding
from modeldiff.study import Study, kinds, stages
from modeldiff.study.kinds import IMAGE
from modeldiff.study.sizes import DataSizes, known_sizes, subset_size
from modeldiff.study.stages import STAGES


def outline(study: Study) -> dict[str, Any]:
    """What the study will do; nothing is loaded but file names.

    Raises UserError if the data are not where the config says, or do not suit it.
    """
    options = study.dataset.options
    path = options.get("path") if study.dataset.name in ("folder", "cifar10") else None
    if path and not (os.path.exists(path) or options.get("download")):
        raise UserError(
            f"study {study.name}: dataset.path: {path}: does not exist; put the data there"
        )
    train = targets = verification = classes = subset = None
    known = data_sizes(study)
    if known:
        study.check_data(*known)
        train = known.n_train
        verification = round(known.n_test * study.verification_share)
        targets = known.n_test - verification
        classes = len(known.classes)
        subset = subset_size(known.n_train, study.alpha)
    return {
        "study": study.name,
        "results": study.folder,
        "dataset": {"name": study.dataset.name, "path": path},
        "train": train,
        "targets": targets,
        "verification_images": verification,
        "classes": classes,
        "subset": subset,
        "algorithms": list(study.names),
        "fitted": list(study.fitted),
        "trained": list(study.trained),
        "scores": {name: list(study.given(name)) for name in study.scores},
        "checkpoints": list(study.with_checkpoints),
        "pairs": [list(pair) for pair in study.pairs],
        "models": study.models,
        "full_models": study.full_models,
        "proved": [list(pair) for pair in study.proved],
        "proposals": study.proof.all_proposals if study.proved else 0,
        "retrained": retrained(study) if study.proved else 0,
        "mined": [list(pair) for pair in study.mined],
        "removal_models": 2 * study.mine.removal_models if study.mined else 0,
        "with_baselines": [list(pair) for pair in study.with_baselines],
        "baselines": list(study.baselines.methods) if study.with_baselines else [],
        "baseline_models": baseline_models(study),
        "unlearned": list(study.unlearned),
        "unlearning": dict(study.config.get("unlearning", {})),
        "training_jobs": None if sharding.measured(study) else training_jobs(study),
        "transformations": list(study.transformations),
    }


def baseline_models(study: Study) -> int:
    """Models of each algorithm that other ways compare, where each has as many."""
    held = [study.full_models_of(name) for pair in study.with_baselines for name in pair]
    return min([study.baselines.models, study.full_models, *held])


def retrained(study: Study) -> int:
    """Models of each algorithm of a pair that retraining may take, in all rounds."""
    return sum(study.proof.retrained(int(number)) for number in study.proof.round_names)


def training_jobs(study: Study) -> int:
    """Jobs that train models, those that are finished included."""
    jobs = 0
    for stage in ("training", "full", "retraining"):
        for names in STAGES[stage].of(study):
            jobs += len(sharding.jobs(study, stage, names, study.folder))
    return jobs


def data_sizes(study: Study) -> DataSizes | None:
    """How many images of which classes: known in advance, prepared already, or counted as files."""
    options = study.dataset.options
    known = known_sizes(study.dataset.name, options)
    if known:
        return known
    try:
        prepared = Path(study.folder) / stages.path("dataset")
        manifest = dataset.read_manifest(prepared, study.key("dataset"))
        return DataSizes(manifest["train"], manifest["test"], tuple(manifest["classes"]))
    except CorruptArtifact:
        pass
    if study.dataset.name != "folder" or not os.path.isdir(options["path"]):
        return None
    names, _ = listing(options["path"])
    classes = tuple(options["classes"] or sorted({c for _, c in names}))
    n_train = 0
    n_test = 0
    for c in classes:
        n_train += len(names.get(("train", c), [])[: options["train_per_class"]])
        n_test += len(names.get(("test", c), [])[: options["test_per_class"]])
    return DataSizes(n_train, n_test, classes)


def lines(of: dict[str, Any]) -> Iterator[str]:
    """The outline for people."""
    data = of["dataset"]["path"] or of["dataset"]["name"]
    kind = kinds.of_source(of["dataset"]["name"]) or IMAGE
    yield f"study {of['study']}: results go to {of['results']}/"
    if of["train"] is None:
        yield f"  data        {data}: sizes are known once it is prepared"
    else:
        yield (
            f"  data        {data}: {of['train']:,} training {kind.many} of {of['classes']} "
            f"classes; {of['targets']:,} test {kind.many} to find directions on, "
            f"{of['verification_images']:,} to measure effects on"
        )
    subset = f" of {of['subset']:,} {kind.many}" if of["subset"] else ""
    fitted = ", ".join(of["fitted"])
    trained = ", ".join(name for name in of["trained"] if name not in of["checkpoints"])
    if fitted:
        yield f"  algorithms  {fitted}: {of['models']:,} models each, on subsets{subset}"
    for name, given in of["scores"].items():
        by_gradients = name in of["checkpoints"]
        read = f"gradients of {len(given)} checkpoints, " if by_gradients else ""
        yield f"  scores      {name}: from {read}{', '.join(given)}"
    if trained and of["full_models"]:
        yield f"  all data    {trained}: {of['full_models']:,} models each"
    if of["training_jobs"] is None:
        yield "  jobs        follow from a first job of each algorithm, which measures"
    else:
        yield f"  jobs        {of['training_jobs']:,} training jobs"
    yield f"  compares    {', '.join(' with '.join(pair) for pair in of['pairs'])}"
    if of["proved"]:
        pairs = ", ".join(" with ".join(pair) for pair in of["proved"])
        yield (
            f"  proves      {pairs}: {of['proposals']} proposed differences, by up to "
            f"{of['retrained']} new models of each"
        )
    if of["mined"]:
        pairs = ", ".join(" with ".join(pair) for pair in of["mined"])
        yield (
            f"  mines       {pairs}: features behind what is proved; {of['removal_models']} new "
            "models of each show whether they go with its images"
        )
    if of["with_baselines"]:
        pairs = ", ".join(" with ".join(pair) for pair in of["with_baselines"])
        methods = ", ".join(of["baselines"])
        yield (
            f"  baselines   {pairs}: {methods}, by {of['baseline_models']:,} models of each "
            "trained on all data"
        )
    if of["unlearned"]:
        asked = of["unlearning"]
        yield (
            f"  unlearning  {', '.join(of['unlearned'])}: what is left of what {asked['never']} "
            f"never saw, by {min(asked['models'], of['full_models']):,} models of each"
        )
    moved = ", ".join(of["transformations"]) or "nothing: directions will not be verified"
    yield f"  verifies    {moved}"
