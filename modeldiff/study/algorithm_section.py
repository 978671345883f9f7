"""The `algorithms` section: every train-time choice, and the parts that can be chosen by name."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from modeldiff.study.estimators import PREFIX
from modeldiff.study.section import (
    GROUP_WORDS,
    Absent,
    FilePath,
    Group,
    ImportPath,
    ModelPath,
    OwnPart,
    Section,
    Side,
)


class ScoreFile(Section):
    """Scores in a file."""

    name: Literal["file"] = Field(
        default="file",
        description="`file`: of any method; `trak`: computed by the traker package from "
        "checkpoints of `model`; `gradients`: influences by the gradients of checkpoints.",
    )
    path: str = Field(
        description="The scores, .npy, .npz, .pt, .pth (loaded as weights only) or .safetensors. "
        "A row for each target (`targets` in "
        "`<results>/<study>/dataset/manifest.json`) or for each test image, a column "
        "for each training image, in the data set's order."
    )
    transposed: bool = Field(
        default=False,
        description="Whether the file has it the other way, a row for each training image.",
    )
    key: str | None = Field(default=None, description="Which array, in a file that holds several.")


class Trak(Section):
    """Scores that the traker package computes."""

    name: Literal["trak"]
    checkpoints: list[str] = Field(
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="State dicts of `model`, trained on all training images (.safetensors, .pt "
        "or .pth loaded as weights only, .npz). Scores are their mean.",
    )
    proj_dim: int | None = Field(
        default=None,
        ge=101,
        le=1_000_000,
        description="Dimensions that gradients are projected to; null takes 2,048, or half the "
        "training images if those are fewer.",
    )


class Gradients(Section):
    """Models that are trained already: influences by their gradients.

    They take the place of models trained on all data, too.
    """

    name: Literal["gradients"]
    checkpoints: list[str] = Field(
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="State dicts of `model`, trained on all training images (formats as for "
        "`trak`), or patterns such as `runs/*.pt`. All are shown test images; the gradients are "
        "those of the first `proof.proposers`.",
    )


Scores: TypeAlias = Annotated[ScoreFile | Trak | Gradients, Field(discriminator="name")]


class Mlp(Section):
    """One hidden layer."""

    name: Literal["mlp"]
    hidden: int = Field(
        default=64, ge=1, le=1_000_000, description="Units of the one hidden layer."
    )


class ConvNet(Section):
    """Three convolutions, for studies on a CPU."""

    name: Literal["convnet"]
    width: Side = Field(
        default=16,
        description="Channels of the first of three convolutions; the next have twice and four "
        "times as many.",
    )
    weights: FilePath | None = Field(
        default=None,
        description="A local file of trained weights to start from (`modeldiff pretrain` makes "
        "one), its last layer left out; null starts at random.",
    )


class ResNet9(Section):
    """A residual network for small images."""

    name: Literal["resnet9"]
    width: Annotated[int, Field(ge=1, le=8_192)] | Absent = Field(
        default=None,
        description="Channels of the first convolution, 64 if nothing is said; the others have "
        "two or four times as many.",
    )


class Airbench(Section):
    """The network of airbench94."""

    name: Literal["airbench"]


class ResNet(Section):
    """torchvision's."""

    name: Literal["resnet18", "resnet50"]
    weights: FilePath | None = Field(
        default=None,
        description="Trained weights to start from, one of torchvision's names or a local file; "
        "null starts at random.",
    )


class BagOfWords(Section):
    """The mean of a vector for each word of a text, and a linear layer."""

    name: Literal["bag_of_words"]
    buckets: int = Field(
        default=2048, ge=2, le=10_000_000, description="Vectors that words share by their hashes."
    )
    width: Side = Field(default=16, description="Numbers of a word's vector.")


class Transformer(Section):
    """A small transformer over the bytes of a text."""

    name: Literal["transformer"]
    width: Side = Field(default=32, description="Numbers for each byte; a multiple of `heads`.")
    layers: int = Field(default=1, ge=1, le=100, description="Layers.")
    heads: int = Field(default=2, ge=1, le=256, description="Heads of the attention.")


class OwnModel(OwnPart):
    """A model of the user's, or a classifier of scikit-learn's."""

    name: ModelPath = Field(
        description="A model that comes with ModelDiff; the import path of a function that "
        "returns a torch module; or a classifier of scikit-learn's, such as "
        "`sklearn:linear_model.LogisticRegression`, which is fitted: the keys of its training "
        "are its options."
    )


Model: TypeAlias = (
    Annotated[
        Mlp | ConvNet | ResNet9 | Airbench | ResNet | BagOfWords | Transformer,
        Field(discriminator="name"),
    ]
    | OwnModel
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


class Unlearn(Section):
    """Forgets a group of training images, or tries to."""

    name: Literal["unlearn"]
    method: Literal["muso", "finetune", "random_labels", "gradient_ascent"] = Field(
        description="`muso` relabels the images to forget by what the others alone would predict, "
        "before each epoch; `finetune` goes on with the others alone; `random_labels` gives "
        "those to forget other labels; `gradient_ascent` raises their loss."
    )
    forget: Group = Field(description=f"The training images to forget: {GROUP_WORDS}")
    epochs: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="Passes over the images, those of the subset that the method uses.",
    )
    lr: float = Field(default=0.05, gt=0, le=1_000_000, description="Learning rate, constant.")
    batch: int = Field(default=50, ge=1, le=10_000_000, description="Images per step.")


class Merge(Section):
    """Makes one model of several."""

    name: Literal["merge"]
    method: Literal["mean", "fisher", "regmean", "first"] = Field(
        description="`mean` of all weights; `fisher` weights each by its Fisher information; "
        "`regmean` merges linear layers by least squares on their inputs; `first` takes the first "
        "model as it is, to see what one of them knows."
    )
    off_diagonal: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="Of `regmean`: factor of the sums of products of two different inputs.",
    )


class OwnFinish(OwnPart):
    """A step of the user's after training."""

    name: ImportPath = Field(
        description="A step that comes with ModelDiff, or the import path of a function of the "
        "trained models, the training images and their labels."
    )
    forget: Group | Absent = Field(
        default=None, description=f"The training images that it is told to forget: {GROUP_WORDS}"
    )


Finish: TypeAlias = Annotated[Unlearn | Merge, Field(discriminator="name")] | OwnFinish


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
