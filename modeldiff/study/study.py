"""The study: one typed, frozen object, made from a config that is checked once.

No torch here: Snakemake reads this module to build its plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.study import fingerprints, inputs, keys, validation
from modeldiff.study.baselines_section import Baselines
from modeldiff.study.components import Component
from modeldiff.study.entries import Algorithm, Plant, Transformation
from modeldiff.study.fingerprints import Fingerprints
from modeldiff.study.kinds import IMAGE, Kind, of_source
from modeldiff.study.mining_section import Mine
from modeldiff.study.proof_section import Proof
from modeldiff.study.sections import Comparison, Config, Datamodels, Training, Verification
from modeldiff.study.sizes import image_bytes
from modeldiff.study.unlearning_section import Unlearning

OCCLUSION_MODELS = 10  # of either recipe, which are shown examples without their pieces
RESIDENT = 4 * 2**30  # bytes of training images that `loader: auto` still keeps on the device


@dataclass(frozen=True)
class Study:
    """A checked study.

    config: the whole of it as plain data, defaults filled in: what is written and hashed.
    code: fingerprints of what the config only names, by entry, as they were when it was made.
    training, ..., verification: the sections of the config that have these names.
    """

    config: dict[str, Any]
    code: Fingerprints
    name: str
    folder: str
    seed: int
    dataset: Component
    verification_share: float
    plant: Plant | None
    alpha: float
    models: int
    evaluation_subsets: int
    repeats: int
    algorithms: dict[str, Algorithm]  # those with a model
    scores: dict[str, Component]  # those whose attributions are not fitted but come from elsewhere
    pairs: tuple[tuple[str, str], ...]
    transformations: dict[str, Transformation]
    training: Training
    datamodels: Datamodels
    comparison: Comparison
    proof: Proof  # the defaults where the config has none: see `proved`
    baselines: Baselines  # as well: see `with_baselines`
    unlearning: Unlearning | None
    verification: Verification

    @classmethod
    def load(cls, config: Mapping[str, Any], files: Sequence[str | Path] = ()) -> "Study":
        """Check `config` and type it.

        files: where it was read from, so that an error can name the file of the wrong key.
        Raises UserError, one line: file, key, what would be right.
        """
        checked = validation.check(config, files)
        return cls.of(checked, fingerprints.of(checked))

    @classmethod
    def of(cls, checked: dict[str, Any], code: Fingerprints) -> "Study":
        """From a config that was checked before: no import is tried, no file read."""
        sections = Config.model_validate(checked)
        drawn = checked.get("subsets", keys.NO_SUBSETS)
        evaluation = drawn["evaluation"]
        dataset = checked["dataset"]
        plant = dataset.get("plant")
        algorithms = {}
        scores = {}
        for name, entry in checked["algorithms"].items():
            if "model" in entry:
                algorithms[name] = Algorithm.of(entry)
            if "scores" in entry:
                scores[name] = Component.of(entry["scores"])
        transformations = {}
        for name, entry in checked["verification"]["transformations"].items():
            transformations[name] = Transformation.of(entry)
        return cls(
            config=checked,
            code=code,
            name=checked["study"],
            folder=f"{checked['results']}/{checked['study']}",
            seed=checked["seed"],
            dataset=Component.of(dataset, "plant", "verification_share", "code"),
            verification_share=dataset["verification_share"],
            plant=Plant.of(plant) if plant else None,
            alpha=drawn["alpha"],
            models=drawn["models"],
            evaluation_subsets=evaluation["subsets"],
            repeats=evaluation["repeats"],
            algorithms=algorithms,
            scores=scores,
            pairs=tuple((a, b) for a, b in checked["comparison"]["pairs"]),
            transformations=transformations,
            training=sections.training,
            datamodels=sections.datamodels,
            comparison=sections.comparison,
            proof=sections.proof or Proof(),
            baselines=sections.baselines or Baselines(),
            unlearning=sections.unlearning,
            verification=sections.verification,
        )

    @classmethod
    def read(cls, path: str | Path) -> "Study":
        """From a config (YAML) or from the checked study of a results folder (JSON).

        UserError if the user's own code is not what a checked study was written with.
        """
        study = cls.load(validation.parse(path), [path])
        fingerprints.refuse_changed(path, study.code)
        return study

    @classmethod
    def recorded(cls, path: str | Path) -> "Study":
        """The checked study of a results folder as it was when it was written.

        To look at results: the user's own code may have changed since, and is not imported.
        """
        content = validation.parse(path)
        validation.shaped(content, [(str(path), content)])
        try:
            return cls.of(content, fingerprints.read(path))
        except (KeyError, ValidationError):  # a key is missing, or is called otherwise
            raise UserError(
                f"{path}: was written by another version of modeldiff; run Snakemake again"
            ) from None

    def check_data(
        self, n_train: int, n_test: int, classes: Sequence[str], kind: Kind | None = None
    ) -> None:
        """UserError if the study cannot be done on a data set of these sizes and classes.

        kind: of its examples, where only the data say it.
        """
        for path, what in validation.against_data(self.config, n_train, n_test, classes, kind):
            raise UserError(f"study {self.name}: {validation.dotted(path)}: {what}")

    @property
    def names(self) -> tuple[str, ...]:
        """All algorithms."""
        return tuple(self.config["algorithms"])

    @property
    def compared(self) -> tuple[str, ...]:
        """The algorithms of pairs. Others get no datamodels: they show effects in between."""
        paired = set().union(*self.pairs)
        return tuple(name for name in self.names if name in paired)

    @property
    def fitted(self) -> tuple[str, ...]:
        """Those compared by datamodels, for which models are trained on subsets."""
        return tuple(name for name in self.compared if name not in self.scores)

    @property
    def trained(self) -> tuple[str, ...]:
        """Those that say how to train: they show effects, by models trained on all data."""
        return tuple(name for name, entry in self.algorithms.items() if entry.trained)

    @property
    def with_checkpoints(self) -> tuple[str, ...]:
        """Those of which the user has models, trained on all data: none are trained here."""
        return tuple(name for name, part in self.scores.items() if part.name == "gradients")

    @property
    def with_models(self) -> tuple[str, ...]:
        """Those that there are models on all data of, or can be: trained here, or given."""
        known = {*self.trained, *self.with_checkpoints}
        return tuple(name for name in self.algorithms if name in known)

    def full_models_of(self, name: str) -> int:
        """Models on all data of an algorithm."""
        if name in self.with_checkpoints:
            return len(self.given(name))
        return self.full_models if name in self.trained else 0

    @property
    def full_models(self) -> int:
        """Models on all data of each that is trained: none where nothing is done with them."""
        if self.shown or self.mined:
            return self.verification.models
        wanted = [0]
        if self.differentiated:
            wanted.append(self.proof.proposers)
        if self.with_baselines:
            wanted.append(self.baselines.models)
        if self.unlearning:
            wanted.append(self.unlearning.models)
        return max(wanted)

    @property
    def candidates(self) -> int:
        """Full-data models that candidates are tried on; 0: none are proposed."""
        return self.verification.candidates or 0

    @property
    def shown(self) -> tuple[str, ...]:
        """Those whose models are shown test images, as they are and with features."""
        asked = self.transformations or self.candidates or self.with_checkpoints
        return self.with_models if asked else ()

    @property
    def proved(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose differences are proposed and proved, if asked for: both are trained."""
        return self._both(self.trained) if "proof" in self.config else ()

    @property
    def differentiated(self) -> tuple[str, ...]:
        """Those whose models' gradients are taken: to propose, for the prior of datamodels, or in
        place of datamodels.
        """
        needed = set().union(*self.proved) if self.proof.proposals else set()
        if self.datamodels.prior:
            needed.update(self.fitted)
        needed.update(self.with_checkpoints)
        return tuple(name for name in self.compared if name in needed)

    @property
    def mine(self) -> Mine:
        """How features are looked for; the defaults where the config does not ask: see `mined`."""
        return self.verification.mine or Mine()

    @property
    def mined(self) -> tuple[tuple[str, str], ...]:
        """The pairs that features are looked for behind their proved differences, if asked for."""
        return self.proved if self.verification.mine else ()

    @property
    def occluded(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose texts, sequences or rows get marks: both have several models on all data.

        Of one's own data, images among them, no config says what they are.
        """
        if of_source(self.dataset.name) is IMAGE:
            return ()
        several = [name for name in self.with_models if self.occlusion_models(name) > 1]
        return self._both(tuple(several))

    def occlusion_models(self, name: str) -> int:
        """How many models of an algorithm are shown examples without their pieces."""
        return min(OCCLUSION_MODELS, self.full_models_of(name))

    def verified(self, a: str, b: str) -> tuple[str, ...]:
        """Whose effects stand in a pair's table: its own two and the algorithms of no pair, as far
        as there are models of them.
        """
        others = [name for name in self.names if name not in self.compared]
        return tuple(name for name in (a, b, *others) if name in self.with_models)

    @property
    def tried(self) -> tuple[tuple[str, str], ...]:
        """The pairs that candidates are proposed for, if asked for: both must have models."""
        return self._both(self.with_models) if self.candidates else ()

    @property
    def with_baselines(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose models other methods compare, too, if asked for: both have models."""
        return self._both(self.with_models) if "baselines" in self.config else ()

    def _both(self, among: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The pairs of algorithms that are both among these."""
        return tuple(pair for pair in self.pairs if {*among}.issuperset(pair))

    @property
    def unlearned(self) -> tuple[str, ...]:
        """Those that are asked how much of a group that they were to forget is left, if any are."""
        if self.unlearning is None:
            return ()
        return tuple(name for name, entry in self.algorithms.items() if entry.forget)

    def weights(self, name: str) -> str:
        """What an algorithm is compared by, as its stage and its file are called."""
        if name in self.with_checkpoints:
            return "gradients"
        return "scores" if name in self.scores else "datamodels"

    def given(self, name: str) -> tuple[str, ...]:
        """The files that an algorithm's scores come from."""
        if name in self.with_checkpoints:
            return tuple(self.code.get(f"checkpoints.{name}", ()))
        options = self.scores[name].options
        return tuple(options["checkpoints"]) if "checkpoints" in options else (options["path"],)

    # Which models there are. The evaluation models come first, so that a study can grow without
    # any model changing its number.

    @property
    def evaluation_models(self) -> int:
        """Models held out for evaluation: numbers 0 to this, `repeats` of them per subset."""
        return self.evaluation_subsets * self.repeats

    @property
    def n_subsets(self) -> int:
        """Subsets in all: the evaluation subsets, then one for each model to fit on."""
        return self.evaluation_subsets + self.models - self.evaluation_models

    def subset_of(self, model: int) -> int:
        """The subset that `model` is trained on."""
        if model < self.evaluation_models:
            return model // self.repeats
        return model - self.evaluation_models + self.evaluation_subsets

    def at_width(self, width: int) -> "Study":
        """The same study, its models trained `width` at once: they are the same models."""
        return replace(self, training=self.training.model_copy(update={"width": width}))

    @property
    def beton(self) -> str | None:
        """The key of the FFCV file that training reads; None if images stay on the device."""
        chosen = self.training.loader
        large = image_bytes(self.dataset.name, self.dataset.options) > RESIDENT
        return self.key("beton") if chosen == "ffcv" or (chosen == "auto" and large) else None

    @property
    def regression(self) -> dict[str, Any]:
        """Settings of `modeldiff.datamodels.fit`, but for what it reads from files and where it
        runs.
        """
        settings = dict(self.config["datamodels"])
        for elsewhere in ("prior", "jobs", "memory"):
            settings.pop(elsewhere, None)
        return settings

    def key(self, stage: str, *of: str) -> str:
        """Short hash of all settings that a result depends on: same key, same result.

        stage: a name in `stages.STAGES`. of: the algorithm, or the two algorithms of a pair, where
        the stage has one result per those.
        """
        return keys.digest(inputs.settings(self, stage, *of))

    def write(self, path: str | Path) -> None:
        """Write the checked config as JSON, which `read` takes, and the fingerprints beside it."""
        artifacts.write_json(path, self.config)
        fingerprints.write(path, self.code)
