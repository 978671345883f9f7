"""Where an algorithm's scores come from, if it is not compared by datamodels."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from modeldiff.study.section import Section


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
