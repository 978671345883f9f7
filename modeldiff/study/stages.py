"""The stages of a study, in order: what each makes, what it reads, what its result depends on.

The only place that knows. Snakemake's rules, the keys, `status`, the report and the commands ask
here: a new stage is an entry of the table, a rule and a module, as CONTRIBUTING.md shows. No torch:
Snakemake reads this to build its plan.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeldiff.study import keys

if TYPE_CHECKING:
    from modeldiff.study.study import Study

STUDY = "study.json"  # the checked study, which every command reads and no stage makes

# What there can be one job of a stage for, and how the job's log is named by it. The words in
# braces are the wildcards of the stage's rule.
PER = {
    "study": "",
    "algorithm": "{algorithm}",
    "pair": "{a}-vs-{b}",
    "models": "{algorithm}-{first}-{stop}",  # some models of an algorithm
    "targets": "{algorithm}-{part}-of-{parts}",  # a share of an algorithm's targets
    "retrained": "{a}-vs-{b}-{algorithm}-{first}-{stop}",  # some of an algorithm's, for a pair
}

# Among the inputs of a stage: what algorithms are compared by. `Study.weights` says for each which
# file that is, its datamodels or scores from elsewhere.
WEIGHTS = "weights"

# Whose a result is: () the study's, (algorithm,), (a, b), or (a, b, one of them).
Names = tuple[str, ...]


def _both(study: "Study", a: str, b: str) -> Names:
    return a, b


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a study: one rule of Snakemake's, one command, one key.

    name: as `Study.key` takes it.
    per: what there is one job for, a name in `PER`.
    of: the algorithms or pairs of a study that have it; `[()]` where it is the study's.
    files: what it makes. The name of each file, which no other stage uses, and its path in the
    study's folder with the wildcards of `PER`.
    inputs: what it reads. The name of each input in the stage's rule, and of which files it
    consists: all of them, or none where one of them is not made.
    algorithms: where it is of a pair, whose files it reads.
    settings: the settings that its result depends on itself.
    settings_of: files whose stages' settings it depends on, too. Those bring the settings of what
    they are made from, so that not every input stands here.
    version: raised when it makes something else from the same settings, so that stale results
    are made again. Editing an installed package triggers nothing in Snakemake.
    share_of: the stage that its jobs do a share of; its files are made for that stage's key.
    label: the folder of its logs and benchmarks, and its name on the page; by default `name`.
    milestone: what `status` calls it, where it tells the first stage that is not done. Empty if
    `status` passes over it.
    traced: whether the page tells by what code and versions its result was made.
    """

    name: str
    per: str
    of: Callable[["Study"], Sequence[Names]]
    files: Mapping[str, str]
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    algorithms: Callable[["Study", str, str], Names] = _both
    settings: Callable[..., dict[str, Any]] = keys.nothing
    settings_of: Sequence[str] = ()
    version: int = 1
    share_of: str = ""
    label: str = ""
    milestone: str = ""
    traced: bool = False

    @property
    def title(self) -> str:
        """The folder of its logs and benchmarks, and its name on the page."""
        return self.label or self.name

    @property
    def wildcards(self) -> list[str]:
        """Names of the wildcards of its rule."""
        return re.findall(r"{(\w+)}", PER[self.per])

    @property
    def main(self) -> str:
        """The file that stands for its result: the one of its own name, else the only one."""
        return self.name if self.name in self.files else next(iter(self.files))


def _each(names: Iterable[str]) -> list[Names]:
    return [(name,) for name in names]


def _sides(pairs: Iterable[Names]) -> list[Names]:
    """The algorithms of pairs, each once."""
    return _each(dict.fromkeys(name for pair in pairs for name in pair))


def _inputs(*files: str) -> dict[str, Sequence[str]]:
    """Inputs of one file each, which a rule calls by the file's own name."""
    return {file: (file,) for file in files}


IMAGES = _inputs("train", "test", "dataset")  # the prepared data set, whole

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
        inputs=_inputs("dataset"),
        settings=keys.subsets,
        settings_of=["dataset"],
    ),
    # Only where the config asks for it; which jobs train then follows from it.
    Stage(
        name="calibration",
        per="algorithm",
        of=lambda study: _each(study.trained),
        files={"calibration": "{algorithm}/calibration.json"},
        inputs=IMAGES | _inputs("beton"),
        settings=keys.calibration,
        settings_of=["shards"],
        label="calibrate",
    ),
    Stage(
        name="training",
        per="models",
        of=lambda study: _each(study.fitted),
        files={"shards": "{algorithm}/shards/{first}-{stop}.npy"},
        inputs=IMAGES | _inputs("beton"),
        settings=keys.training,
        settings_of=["dataset"],
        version=2,
        label="train",
        milestone="training",
    ),
    Stage(
        name="full",
        per="models",
        of=lambda study: _each(study.trained if study.full_models else ()),
        files={"checkpoints": "{algorithm}/full/{first}-{stop}.npz"},
        inputs=IMAGES | _inputs("beton"),
        settings=keys.full,
        settings_of=["dataset"],
    ),
    Stage(
        name="margins",
        per="algorithm",
        of=lambda study: _each(study.fitted),
        files={"margins": "{algorithm}/margins.npy"},
        inputs=_inputs("shards"),
        settings=keys.margins,
        settings_of=["shards"],
        version=3,
        milestone="margins",
        traced=True,
    ),
    Stage(
        name="grams",
        per="algorithm",
        of=lambda study: _each(study.fitted),
        files={"grams": "{algorithm}/grams.json"},
        inputs=_inputs("dataset", "masks", "margins"),
        settings=keys.grams,
        settings_of=["shards"],  # not the margins': the sums of models there are stay as they were
    ),
    Stage(
        name="fit",
        per="targets",
        of=lambda study: _each(study.fitted),
        files={"fits": "{algorithm}/fits/{part}-of-{parts}.npz"},
        inputs=_inputs("dataset", "masks", "margins", "grams"),
        share_of="datamodels",
    ),
    Stage(
        name="datamodels",
        per="algorithm",
        of=lambda study: _each(study.fitted),
        files={"datamodels": "{algorithm}/datamodels.npz", "lds": "{algorithm}/lds.npz"},
        inputs=_inputs("dataset", "masks", "margins", "fits"),
        settings=keys.datamodels,
        settings_of=["margins"],
        version=2,
        milestone="datamodels",
        traced=True,
    ),
    # In place of datamodels, where scores come from elsewhere.
    Stage(
        name="scores",
        per="algorithm",
        of=lambda study: _each([name for name in study.compared if name in study.scores]),
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
        of=lambda study: _each(study.shown),
        files={"predictions": "{algorithm}/predictions.npz"},
        inputs=IMAGES | _inputs("checkpoints"),
        settings=keys.predictions,
        settings_of=["checkpoints"],
        traced=True,
    ),
    Stage(
        name="comparison",
        per="pair",
        of=lambda study: study.pairs,
        files={"comparison": "{a}-vs-{b}/comparison.npz"},
        inputs=_inputs("dataset", WEIGHTS) | {"models": ("masks", "margins")},
        settings=keys.comparison,
        settings_of=[WEIGHTS],
        version=8,
        milestone="comparison",
        traced=True,
    ),
    Stage(
        name="verification",
        per="pair",
        of=lambda study: study.pairs,
        files={"effects": "{a}-vs-{b}/effects.csv"},
        inputs=_inputs("predictions"),
        algorithms=lambda study, a, b: study.verified(a, b),
        settings_of=["predictions"],
        version=3,
        milestone="verification",
        traced=True,
    ),
    Stage(
        name="trials",
        per="algorithm",
        of=lambda study: _sides(study.tried),
        files={"trials": "{algorithm}/trials.npz"},
        inputs=IMAGES | _inputs("checkpoints"),
        settings=keys.trials,
        settings_of=["checkpoints"],
        traced=True,
    ),
    Stage(
        name="candidates",
        per="pair",
        of=lambda study: study.tried,
        files={"candidates": "{a}-vs-{b}/candidates.csv"},
        inputs=IMAGES | _inputs("trials", "comparison"),
        settings_of=["trials", "comparison"],
        traced=True,
    ),
    Stage(
        name="gradients",
        per="algorithm",
        of=lambda study: _sides(study.proved),
        files={"gradients": "{algorithm}/gradients.npz"},
        inputs=IMAGES | _inputs("checkpoints"),
        settings=keys.gradients,
        settings_of=["checkpoints"],
        traced=True,
    ),
    Stage(
        name="proposals",
        per="pair",
        of=lambda study: study.proved,
        files={"proposals": "{a}-vs-{b}/proposals.npz"},
        inputs=_inputs("gradients"),
        settings=keys.proposals,
        settings_of=["gradients"],
        traced=True,
    ),
    Stage(
        name="retraining",
        per="retrained",
        of=lambda study: [(*pair, name) for pair in study.proved for name in pair],
        files={"retrained": "{a}-vs-{b}/retrained/{algorithm}/{first}-{stop}.npy"},
        inputs=IMAGES | _inputs("beton", "proposals"),
        settings=keys.retraining,
        settings_of=["proposals"],
        label="retrain",
    ),
    Stage(
        name="proof",
        per="pair",
        of=lambda study: study.proved,
        files={"proof": "{a}-vs-{b}/proof.csv"},
        inputs=_inputs("proposals", "retrained"),
        settings=keys.proof,
        settings_of=["retrained"],
        milestone="proof",
        traced=True,
    ),
    # Its figures, whose names follow from the config, are in `report/names.py`.
    Stage(
        name="report",
        per="study",
        of=lambda study: [()],
        files={"summary": "summary.json", "report": "report.html"},
        inputs=IMAGES
        | _inputs("margins", WEIGHTS, "lds", "predictions", "comparison", "effects", "candidates")
        | _inputs("proposals", "proof"),
        settings=keys.report,
        version=3,
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
