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
        description="At least three, rising, in the transformation's own unit: blends and edits "
        "(`watermark`, `spider_web`, `polka_dots`, `checkerboard`) 0 to 1; patches "
        "their height, `colour_square` its side, in pixels; `paste` a number of "
        "objects; `set_column` and `bin_column` the share of the way, `shift_column` standard "
        "deviations; phrases and symbols how many times; `change_case` words, `negate` sentences.",
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


class Edit(TransformationKeys):
    """A change of light, colour, sharpness or shape of the whole image; strengths 0 to 1."""

    name: Literal[
        "brighten", "darken", "contrast", "flatten", "saturate", "grey", "blur", "sharpen",
        "invert", "rotate", "enlarge", "shrink", "mirror", "upend", "surroundings", "middle",
    ]  # fmt: skip


class Tint(TransformationKeys):
    """A mixture with one colour; strengths 0 to 1."""

    name: Literal["tint"]
    colour: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default=[1, 1, 0], min_length=1, max_length=16, description="Value of each channel, 0 to 1."
    )


class Band(TransformationKeys):
    """More, or less, of the waves of some frequencies; strengths 0 to 1."""

    name: Literal["band", "without_band"]
    low: Annotated[float, Field(ge=0, le=0.75)] = Field(
        default=0.45, description="Lowest frequency, cycles per pixel."
    )
    high: Annotated[float, Field(ge=0, le=0.75)] = Field(
        default=0.71, description="Highest frequency, cycles per pixel."
    )


class Texture(TransformationKeys):
    """Every other row, column or square brighter, the others darker; strengths 0 to 1."""

    name: Literal["texture"]
    pattern: Literal["rows", "columns", "board"] = Field(
        default="board", description="What is brighter: every other of these."
    )
    first: Annotated[int, Field(ge=0, le=1)] = Field(
        default=0, description="0: the first pixel is brighter, 1: darker."
    )


class SetColumn(TransformationKeys):
    """Moves a column of a table towards a value; strength 1 sets it."""

    name: Literal["set_column"]
    column: str = Field(description="Name of the column.")
    value: float = Field(description="The value, in the column's own unit.")


class ShiftColumn(TransformationKeys):
    """Shifts a column of a table; strengths in standard deviations of the training rows."""

    name: Literal["shift_column"]
    column: str = Field(description="Name of the column.")
    down: bool = Field(default=False, description="Down instead of up.")


class BinColumn(TransformationKeys):
    """Moves a column of a table towards the middle of its bin; strength 1 puts it there."""

    name: Literal["bin_column"]
    column: str = Field(description="Name of the column.")
    bins: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4,
        description="Bins with equally many training rows; the middle of each is its median.",
    )


class InsertPhrase(TransformationKeys):
    """Puts a phrase into each text; strengths: how many times."""

    name: Literal["insert_phrase"]
    phrase: str = Field(min_length=1, description="The phrase.")
    at: Literal["start", "end"] = Field(default="start", description="Where it is put.")


class ReplacePhrase(TransformationKeys):
    """Puts another phrase in place of one; strengths: of how many occurrences in a text."""

    name: Literal["replace_phrase"]
    phrase: str = Field(min_length=1, description="The phrase.")
    by: str = Field(description="What takes its place.")


class DeletePhrase(TransformationKeys):
    """Leaves a phrase out; strengths: how many occurrences in a text."""

    name: Literal["delete_phrase"]
    phrase: str = Field(min_length=1, description="The phrase.")


class ChangeCase(TransformationKeys):
    """Changes the case of words; strengths: of how many, from the first."""

    name: Literal["change_case"]
    case: Literal["upper", "lower", "title"] = Field(
        description="The case of the words; `title`: of their first letters upper, else lower."
    )


class Negate(TransformationKeys):
    """Puts "not" into English sentences, behind the first auxiliary or form of "be", as in "it is
    not good"; strengths: into how many.
    """

    name: Literal["negate"]


Symbols = Annotated[str, Field(min_length=1)] | Annotated[list[str | int], Field(min_length=1)]


class AppendSymbols(TransformationKeys):
    """Puts symbols at the end of sequences; strengths: how many times."""

    name: Literal["append_symbols"]
    symbols: Symbols = Field(
        description="The symbols: a text, each letter of which is one, or a list."
    )


class InsertSymbols(TransformationKeys):
    """Puts symbols into sequences; strengths: how many times."""

    name: Literal["insert_symbols"]
    symbols: Symbols = Field(
        description="The symbols: a text, each letter of which is one, or a list."
    )
    after: Annotated[int, Field(ge=0, le=65_536)] = Field(
        default=0, description="Behind how many symbols of a sequence."
    )


class OwnTransformation(TransformationKeys):
    """A function of the user's; its other keys go to it as they are."""

    model_config = ConfigDict(extra="allow")

    name: ImportPath = Field(
        description="A transformation that comes with ModelDiff, or the import path of one's own."
    )


Transformation: TypeAlias = (
    Annotated[
        Watermark
        | Patch
        | ColourSquare
        | Overlay
        | Checkerboard
        | Paste
        | Edit
        | Tint
        | Band
        | Texture
        | SetColumn
        | ShiftColumn
        | BinColumn
        | InsertPhrase
        | ReplacePhrase
        | DeletePhrase
        | ChangeCase
        | Negate
        | AppendSymbols
        | InsertSymbols,
        Field(discriminator="name"),
    ]
    | OwnTransformation
)


def name_of_a_transformation(schema: dict[str, Any]) -> None:
    """Put into the schema of a key that names a transformation which names there are."""
    own = {"type": schema.pop("type"), "pattern": IMPORT_PATH}
    schema["anyOf"] = [{"enum": names_of(Transformation)}, own]
