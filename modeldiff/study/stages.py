"""The stages of a study, in order: what each makes, what it reads, what its result depends on.

The only place that knows. Snakemake's rules, the keys, `status`, the report and the commands ask
here: a new stage is an entry of the table, a rule and a module, as CONTRIBUTING.md shows. No torch:
Snakemake reads this to build its plan.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modeldiff.study import keys
from modeldiff.study.stage import (
    PER,
    Stage,
    by_name,
    each,
    has_prior,
    proposes_by_gradients,
    proves,
    proves_directions,
    retrained,
    sides,
)

if TYPE_CHECKING:
    pass

STUDY = "study.json"  # the checked study, which every command reads and no stage makes

# Among the inputs of a stage: what algorithms are compared by. `Study.weights` says for each which
# file that is, its datamodels or scores from elsewhere.
WEIGHTS = "weights"

IMAGES = by_name("train", "test", "dataset")  # the prepared data set, whole

WAYS = ("a-minus-b", "b-minus-a")  # what a comparison's file holds, and figures are named by


_TABLE = (
    Stage(
        name="dataset",
        per="study",
        of=lambda study: [()],
        # The manifest is what commands are given; the rest lies beside it.
        files={
            "train": "dataset/train.npy",
            "test": "dataset/test.npy",
            "dataset": "dataset/manifest.json",
        },
        settings=keys.dataset,
        version=2,
        traced=True,
    ),
    Stage(
        name="beton",
        per="study",
        of=lambda study: [()] if study.beton else [],
        files={"beton": "dataset/train.beton"},
        inputs=IMAGES,
        settings=keys.beton,
        settings_of=["dataset"],
    ),
    Stage(
        name="subsets",
        per="study",
        of=lambda study: [()] if study.fitted else [],
        files={"masks": "subsets/masks.npy"},
        inputs=by_name("dataset"),
        settings=keys.subsets,
        settings_of=["dataset"],
    ),
    # Only where the config asks for it; which jobs train then follows from it.
    Stage(
        name="calibration",
        per="algorithm",
        of=lambda study: each(study.trained),
        files={"calibration": "{algorithm}/calibration.json"},
        inputs=IMAGES | by_name("beton"),
        settings=keys.calibration,
        settings_of=["shards"],
        label="calibrate",
    ),
    Stage(
        name="training",
        per="models",
        of=lambda study: each(study.fitted),
        files={"shards": "{algorithm}/shards/{first}-{stop}.npy"},
        inputs=IMAGES | by_name("beton"),
        settings=keys.training,
        settings_of=["dataset"],
        version=2,
        label="train",
        milestone="training",
    ),
    Stage(
        name="full",
        per="models",
        of=lambda study: each([name for name in study.with_models if study.full_models_of(name)]),
        files={"checkpoints": "{algorithm}/full/{first}-{stop}.npz"},
        inputs=IMAGES | by_name("beton"),
        settings=keys.full,
        settings_of=["dataset"],
    ),
    Stage(
        name="gradients",
        per="algorithm",
        of=lambda study: each(study.differentiated),
        files={"gradients": "{algorithm}/gradients.npz"},
        inputs=IMAGES | by_name("checkpoints"),
        settings=keys.gradients,
        settings_of=["checkpoints"],
        traced=True,
    ),
    Stage(
        name="margins",
        per="algorithm",
        of=lambda study: each(study.fitted),
        files={"margins": "{algorithm}/margins.npy"},
        inputs=by_name("shards"),
        settings=keys.margins,
        settings_of=["shards"],
        version=3,
        milestone="margins",
        traced=True,
    ),
    Stage(
        name="grams",
        per="algorithm",
        of=lambda study: each(study.fitted),
        files={"grams": "{algorithm}/grams.json"},
        inputs=by_name("dataset", "masks", "margins"),
        settings=keys.grams,
        settings_of=["shards"],  # not the margins': the sums of models there are stay as they were
    ),
    Stage(
        name="fit",
        per="targets",
        of=lambda study: each(study.fitted),
        files={"fits": "{algorithm}/fits/{part}-of-{parts}.npz"},
        inputs=by_name("dataset", "masks", "margins", "grams", "gradients"),
        only_if={"gradients": has_prior},
        share_of="datamodels",
    ),
    Stage(
        name="datamodels",
        per="algorithm",
        of=lambda study: each(study.fitted),
        files={"datamodels": "{algorithm}/datamodels.npz", "lds": "{algorithm}/lds.npz"},
        inputs=by_name("dataset", "masks", "margins", "fits", "gradients"),
        only_if={"gradients": has_prior},
        settings=keys.datamodels,
        settings_of=["margins", "gradients"],
        version=2,
        milestone="datamodels",
        traced=True,
    ),
    # In place of datamodels, where scores come from elsewhere.
    Stage(
        name="scores",
        per="algorithm",
        of=lambda study: each([name for name in study.compared if study.weights(name) == "scores"]),
        files={"scores": "{algorithm}/scores.npy"},
        inputs=IMAGES,
        settings=keys.scores,
        settings_of=["dataset"],
        milestone="datamodels",
        traced=True,
    ),
    Stage(
        name="predictions",
        per="algorithm",
        of=lambda study: each(study.shown),
        files={
            "predictions": "{algorithm}/predictions.npz",
            "predicted": "{algorithm}/predicted.npy",
        },
        inputs=IMAGES | by_name("checkpoints"),
        settings=keys.predictions,
        settings_of=["checkpoints"],
        version=2,
        traced=True,
    ),
    Stage(
        name="comparison",
        per="pair",
        of=lambda study: study.pairs,
        files={"comparison": "{a}-vs-{b}/comparison.npz"},
        inputs=by_name("dataset", WEIGHTS) | {"models": ("masks", "margins")},
        settings=keys.comparison,
        settings_of=[WEIGHTS],
        version=11,
        milestone="comparison",
        traced=True,
    ),
    Stage(
        name="verification",
        per="pair",
        of=lambda study: study.pairs,
        files={"effects": "{a}-vs-{b}/effects.csv"},
        inputs=by_name("predictions"),
        algorithms=lambda study, a, b: study.verified(a, b),
        settings_of=["predictions"],
        version=3,
        milestone="verification",
        traced=True,
    ),
    Stage(
        name="trials",
        per="algorithm",
        of=lambda study: sides(study.tried),
        files={"trials": "{algorithm}/trials.npz"},
        inputs=IMAGES | by_name("checkpoints"),
        settings=keys.trials,
        settings_of=["checkpoints"],
        traced=True,
    ),
    Stage(
        name="candidates",
        per="pair",
        of=lambda study: study.tried,
        files={"candidates": "{a}-vs-{b}/candidates.csv"},
        inputs=IMAGES | by_name("trials", "comparison"),
        settings_of=["trials", "comparison"],
        traced=True,
    ),
    Stage(
        name="proposals",
        per="pair",
        of=lambda study: study.proved,
        files={"proposals": "{a}-vs-{b}/proposals.npz"},
        inputs=IMAGES | by_name("gradients", "comparison"),
        only_if={"comparison": proves_directions, "gradients": proposes_by_gradients},
        settings=keys.proposals,
        settings_of=["gradients", "comparison"],
        traced=True,
    ),
    Stage(
        name="retraining",
        per="retrained",
        of=retrained,
        files={"retrained": "{a}-vs-{b}/retrained/{round}/{algorithm}/{first}-{stop}.npy"},
        inputs=IMAGES | by_name("beton", "proposals", "look"),
        settings=keys.retraining,
        settings_of=["proposals", "look"],
        version=2,
        label="retrain",
    ),
    # After each round but the last: what is decided gets no more models.
    Stage(
        name="looks",
        per="look",
        of=lambda study: [
            (*pair, n) for pair in study.proved for n in study.proof.round_names[:-1]
        ],
        files={"look": "{a}-vs-{b}/looks/{round}.csv"},
        inputs=by_name("proposals", "retrained"),
        settings=keys.looks,
        settings_of=["retrained"],
    ),
    Stage(
        name="proof",
        per="pair",
        of=lambda study: study.proved,
        files={"proof": "{a}-vs-{b}/proof.csv"},
        inputs=by_name("proposals", "retrained"),
        settings=keys.proof,
        settings_of=["retrained"],
        version=2,
        milestone="proof",
        traced=True,
    ),
    Stage(
        name="mined",
        per="pair",
        of=lambda study: study.mined,
        files={"mined": "{a}-vs-{b}/mined.csv", "features": "{a}-vs-{b}/mined.npz"},
        inputs=IMAGES | by_name("checkpoints", "proposals", "proof"),
        settings=keys.mined,
        settings_of=["checkpoints", "proof"],
        label="mine",
        milestone="mining",
        traced=True,
    ),
    Stage(
        name="removal",
        per="side",
        of=lambda study: [(a, b, name) for a, b in study.mined for name in (a, b)],
        files={"removal": "{a}-vs-{b}/removal/{algorithm}.csv"},
        inputs=IMAGES | by_name("beton", "proposals", "proof", "mined"),
        settings=keys.removal,
        settings_of=["mined"],
        traced=True,
    ),
    Stage(
        name="occlusion",
        per="pair",
        of=lambda study: study.occluded,
        files={"occlusion": "{a}-vs-{b}/occlusion.npz"},
        inputs=IMAGES | by_name("checkpoints", "comparison", "proposals"),
        only_if={"proposals": proves},
        settings=keys.occlusion,
        settings_of=["checkpoints", "comparison", "proposals"],
        traced=True,
    ),
    Stage(
        name="baselines",
        per="pair",
        of=lambda study: study.with_baselines,
        files={
            "baselines": "{a}-vs-{b}/baselines.csv",
            "named": "{a}-vs-{b}/named.npz",
            "rules": "{a}-vs-{b}/rules.csv",
        },
        inputs=IMAGES | by_name("checkpoints"),
        settings=keys.baselines,
        settings_of=["checkpoints"],
        version=2,
        traced=True,
    ),
    Stage(
        name="unlearning",
        per="study",
        of=lambda study: [()] if study.unlearned else [],
        files={"unlearning": "unlearning.csv"},
        inputs=IMAGES | by_name("checkpoints"),
        settings=keys.unlearning,
        settings_of=["checkpoints"],
        traced=True,
    ),
    # Its figures, whose names follow from the config, are in `report/names.py`.
    Stage(
        name="report",
        per="study",
        of=lambda study: [()],
        files={"summary": "summary.json", "report": "report.html"},
        inputs=IMAGES
        | by_name("margins", WEIGHTS, "lds", "predictions", "predicted", "comparison", "effects")
        | by_name("candidates", "proposals", "proof", "mined", "features", "removal")
        | by_name("occlusion", "baselines", "named", "rules", "unlearning"),
        settings=keys.report,
        version=5,
        milestone="report",
    ),
)

STAGES = {stage.name: stage for stage in _TABLE}
VERSIONS = {stage.name: stage.version for stage in _TABLE if not stage.share_of}
MAKERS = {file: stage for stage in _TABLE for file in stage.files}
MAKERS[WEIGHTS] = STAGES["datamodels"]


def path(file: str, *of: object) -> str:
    """Where a file of a stage lies in a study's folder, e.g. `path("shards", "plain", 0, 250)`.

    of: what its job is for, as the wildcards of `PER`; without, they stand in the path.
    """
    stage = MAKERS[file]
    return _filled(stage, stage.files[file], of)


def log(name: str, *of: object) -> str:
    """Where the log of a job of a stage lies in a study's folder; of: as for `path`."""
    stage = STAGES[name]
    return _filled(stage, f"logs/{_job(stage)}.log", of)


def benchmark(name: str, *of: object) -> str:
    """Where Snakemake writes what a job of a stage took; of: as for `path`."""
    stage = STAGES[name]
    return _filled(stage, f"benchmarks/{_job(stage)}.tsv", of)


def beside(place: str | Path, file: str) -> Path:
    """The file of a stage that lies beside another of its files, wherever that is."""
    return Path(place).with_name(Path(path(file)).name)


def _job(stage: Stage) -> str:
    return f"{stage.title}/{PER[stage.per]}" if PER[stage.per] else stage.title


def _filled(stage: Stage, pattern: str, of: Sequence[object]) -> str:
    if not of:
        return pattern
    return pattern.format(**dict(zip(stage.wildcards, of, strict=True)))
