"""The `algorithms` section: every train-time choice, and the parts that can be chosen by name."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from modeldiff.study.estimators import PREFIX
from modeldiff.study.finish_section import Finish
from modeldiff.study.model_section import Model
from modeldiff.study.scores_section import Scores
from modeldiff.study.section import (
    GROUP_WORDS,
    Absent,
    Group,
    ImportPath,
    OwnPart,
    Section,
    Side,
)


class BlankBorder(Section):
    """Sets a border to black."""

    name: Literal["blank_border"]
    width: Side = Field(description="Width of the border set to black, pixels.")


class Square(Section):
    """Resizes, or cuts out the centre."""

    name: Literal["resize", "centre_crop"]
    size: Side = Field(
        description="Side of the square that is kept; of the shorter side after resizing; pixels."
    )


class Normalise(Section):
    """Takes off a mean, divides by a standard deviation."""

    name: Literal["normalise"]
    mean: list[float] = Field(
        min_length=1, max_length=16, description="Mean of each channel, on the scale of 0 to 1."
    )
    sd: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=1,
        max_length=16,
        description="Standard deviation of each channel, on the scale of 0 to 1.",
    )


class Standardise(Section):
    """Takes each column of a table to mean 0 and standard deviation 1 over all training rows."""

    name: Literal["standardise"]


class DropColumns(Section):
    """Leaves columns of a table out."""

    name: Literal["drop_columns"]
    columns: list[str] = Field(
        min_length=1,
        max_length=10_000,
        json_schema_extra={"uniqueItems": True},
        description="Their names; the name of a column of texts stands for all made of it.",
    )


class OwnStep(OwnPart):
    """A step of the user's."""

    name: ImportPath = Field(
        description="A step that comes with ModelDiff, or the import path of a function on images."
    )


Step: TypeAlias = (
    Annotated[
        BlankBorder | Square | Normalise | Standardise | DropColumns, Field(discriminator="name")
    ]
    | OwnStep
)


class Flip(Section):
    """A mirror image, every second time."""

    name: Literal["flip"]


class Translate(Section):
    """A shift."""

    name: Literal["translate"]
    pixels: Side = Field(description="Largest shift each way, pixels.")


class Cutout(Section):
    """A black square."""

    name: Literal["cutout"]
    size: Side = Field(description="Side of the square, pixels.")


class RandomResizedCrop(Section):
    """A crop of random size, resized."""

    name: Literal["random_resized_crop"]
    min_scale: float = Field(
        default=0.08, gt=0, le=1, description="Smallest share of the area that a crop keeps."
    )
    size: Side | None = Field(
        default=None,
        description="Side of what comes out, pixels; null keeps the size of the images.",
    )


class Colour(Section):
    """Other brightness, contrast and saturation."""

    name: Literal["colour"]
    strength: float = Field(
        gt=0,
        le=1,
        description="Largest relative change of brightness, of contrast and of saturation.",
    )


class OwnAugmentation(OwnPart):
    """An augmentation of the user's."""

    name: ImportPath = Field(
        description="An augmentation that comes with ModelDiff, or the import path of a function "
        "on images and random numbers."
    )


Augmentation: TypeAlias = (
    Annotated[Flip | Translate | Cutout | RandomResizedCrop | Colour, Field(discriminator="name")]
    | OwnAugmentation
)


class OptimizerKeys(Section):
    """What every optimizer has."""

    name: str
    lr: float = Field(gt=0, le=1_000_000, description="Peak learning rate.")
    weight_decay: float = Field(
        default=0.0, ge=0, le=1_000_000, description="Weight decay, of all weights."
    )


class Sgd(OptimizerKeys):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = Field(
        description="Stochastic gradient descent, or Adam with decoupled weight decay."
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum.")
    nesterov: bool = Field(default=True, description="Nesterov's momentum.")


class AdamW(OptimizerKeys):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]


Optimizer: TypeAlias = Annotated[Sgd | AdamW, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over training."""

    name: Literal["triangular", "cosine", "constant"] = Field(
        description="`triangular` rises linearly to the peak and falls linearly to 0; `cosine` "
        "falls along a cosine; `constant`."
    )
    peak: float = Field(
        default=0.2, ge=0, le=1, description="When the schedule peaks, share of all steps."
    )


# How ModelDiff trains a model; not said where a function of the user's trains it, or nothing does.
HOW = ("optimizer", "schedule", "epochs", "batch", "label_smoothing", "augment", "precision", "ema")
REQUIRED = ("optimizer", "epochs", "batch")
UNTRAINED = ("scores", "model", "preprocess", "flip_average", "code")  # the keys of given scores


def _where_training_is_described(schema: dict[str, Any]) -> None:
    """Put the defaults of `HOW`, and which of it must be there, under a condition."""
    schema["allOf"] = [{"if": {"required": ["scores"]}, "else": {"required": ["model"]}}]
    defaults = {}
    for key in HOW:
        entry = schema["properties"][key]
        if key not in REQUIRED:
            defaults[key] = {"default": entry.pop("default")}
    only_scores = {"required": ["scores"], "propertyNames": {"enum": list(UNTRAINED)}}
    of_sklearn = {"pattern": f"^{PREFIX}"}
    named = {"properties": {"name": of_sklearn}, "required": ["name"]}
    fitted = {"properties": {"model": named}, "required": ["model"]}
    schema["if"] = {"anyOf": [{"required": ["train"]}, only_scores, fitted]}
    schema["then"] = {"properties": dict.fromkeys(HOW, False)}
    schema["else"] = {"required": list(REQUIRED), "properties": defaults}


class AlgorithmSection(Section):
    """The sum of every train-time choice."""

    model_config = ConfigDict(json_schema_extra=_where_training_is_described)

    scores: Scores | Absent = Field(
        default=None,
        description="Attributions from elsewhere, in place of datamodels; no model is trained on "
        "subsets. With a recipe beside it (model, optimizer and so on) models are "
        "trained on all data, for effects.",
    )
    model: Model | Absent = Field(default=None, description="The architecture.")
    preprocess: list[Step] = Field(
        default=[], description="Done to every image, in training and in use, in this order."
    )
    code: str | float | Absent = Field(
        default=None,
        description="Version of the parts of one's own, a text or number of your choice, e.g. "
        "v2. Models are trained again when it changes, and no longer when the source "
        "of these parts, or a file that an option of theirs names, does.",
    )
    flip_average: bool = Field(
        default=False, description="In use, average the logits of each image and its mirror image."
    )
    augment: list[Augmentation] = Field(
        default=[],
        description="Done at random to every training image, in this order, before the "
        "preprocessing.",
    )
    train: OwnPart | Absent = Field(
        default=None,
        description="A training function of one's own, instead of optimizer, schedule, epochs "
        "and batch.",
    )
    without: Group | Absent = Field(
        default=None,
        description="Training images that no model of this algorithm is trained on, whatever its "
        f"subset: {GROUP_WORDS}",
    )
    trains: Annotated[int, Field(ge=2, le=100)] | Absent = Field(
        default=None,
        description="Models trained in place of one, each on its own part of the subset, all from "
        "the same first weights; `finish` makes one model of them.",
    )
    finish: Finish | Absent = Field(
        default=None,
        description="A step after training: it is given the trained models and makes of them the "
        "one that the algorithm is known by.",
    )
    optimizer: Optimizer | Absent = Field(default=None, description="How weights move.")
    schedule: Schedule = Field(
        default=Schedule(name="triangular", peak=0.2), description="Learning rate over training."
    )
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | Absent = Field(
        default=None, description="Passes over the subset."
    )
    batch: Annotated[int, Field(ge=1, le=10_000_000)] | Absent = Field(
        default=None, description="Examples per step."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of each label spread over all classes."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32",
        description="Of the products in training (torch's autocast): `bfloat16` where the "
        "hardware has it, on a CPU too; `float16`, its loss scaled, on GPUs only. "
        "Weights, and models in use, stay float32.",
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay per step of the exponential moving average of weights and batch "
        "statistics, which replaces them at the end; null: the last weights.",
    )
