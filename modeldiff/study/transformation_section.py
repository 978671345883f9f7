"""Transformations by name, as they stand in `verification`."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from modeldiff.study.section import (
    IMPORT_PATH,
    FilePath,
    ImportPath,
    Place,
    Section,
    Side,
    names_of,
)


class TransformationKeys(Section):
    """What every transformation to verify has."""

    name: str
    label: str = Field(
        alias="class",
        description="The class whose probability the feature should move (a class name).",
    )
    strengths: list[Annotated[float, Field(gt=0, le=8_192)]] = Field(
        min_length=3,
        max_length=100,
        json_schema_extra={"uniqueItems": True},
        description="At least three, rising, in the transformation's own unit: blends "
        "(`watermark`, `spider_web`, `polka_dots`, `checkerboard`) 0 to 1; patches "
        "their height, `colour_square` its side, in pixels; `paste` a number of "
        "objects.",
    )


class Watermark(TransformationKeys):
    """A bright square in a corner."""

    name: Literal["watermark"]
    size: Side = Field(
        default=2, description="Side of the bright square in the top left corner, pixels."
    )


class Patch(TransformationKeys):
    """A part of a picture, at one place."""

    name: Literal["dog_patch", "truck_patch"]
    row: Place = Field(default=4, description="Top row, pixels.")
    column: Place = Field(default=13, description="Left column, pixels.")


class ColourSquare(TransformationKeys):
    """A square of one colour."""

    name: Literal["colour_square"]
    colour: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default=[1, 1, 0], min_length=1, max_length=16, description="Value of each channel, 0 to 1."
    )
    row: Place = Field(default=30, description="Top row, pixels.")
    column: Place = Field(default=100, description="Left column, pixels.")


class Overlay(TransformationKeys):
    """A pattern over the whole image."""

    name: Literal["spider_web", "polka_dots"]


class Checkerboard(TransformationKeys):
    """A checkerboard over the whole image."""

    name: Literal["checkerboard"]
    cell: Side = Field(default=2, description="Side of a cell, pixels.")


class Paste(TransformationKeys):
    """Pictures pasted into the background."""

    name: Literal["paste"]
    picture: FilePath | None = Field(
        default=None, description="A picture file with an alpha channel; null draws a face."
    )
    size: Side = Field(
        default=100, description="Side on an image of 224 pixels, in proportion on others."
    )


class OwnTransformation(TransformationKeys):
    """A function of the user's; its other keys go to it as they are."""

    model_config = ConfigDict(extra="allow")

    name: ImportPath = Field(
        description="A transformation that comes with ModelDiff, or the import path of one's own."
    )


Transformation: TypeAlias = (
    Annotated[
        Watermark | Patch | ColourSquare | Overlay | Checkerboard | Paste,
        Field(discriminator="name"),
    ]
    | OwnTransformation
)


def name_of_a_transformation(schema: dict[str, Any]) -> None:
    """Put into the schema of a key that names a transformation which names there are."""
    own = {"type": schema.pop("type"), "pattern": IMPORT_PATH}
    schema["anyOf"] = [{"enum": names_of(Transformation)}, own]
