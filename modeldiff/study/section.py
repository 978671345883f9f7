"""What the sections of a config are made of: their base class, and values that recur in them."""

from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema


class Section(BaseModel):
    """Keys with values. Unknown keys are errors, and nothing changes once it has been read.

    Strict: true is no number, and 2.0 no whole number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, regex_engine="python-re")


# `int | Absent = None` is a key that may be left out, but not be null.
Absent: TypeAlias = SkipJsonSchema[None]

# `must_be` is what an error message says of a text that does not match. A pattern's last `(?!\n)`
# is for Python, whose `$` matches before a last line break, too.
IMPORT_PATH = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$(?!\n)"
ImportPath = Annotated[
    str, Field(pattern=IMPORT_PATH, json_schema_extra={"must_be": "`package.module:name`"})
]
MODEL_PATH = rf"{IMPORT_PATH}|^sklearn(:[A-Za-z_]\w*)(\.[A-Za-z_]\w*)+$(?!\n)"
ModelPath = Annotated[
    str,
    Field(
        pattern=MODEL_PATH,
        json_schema_extra={"must_be": "`package.module:name` or `sklearn:module.Class`"},
    ),
]
LABEL = r"^(?!.*-vs-)[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$(?!\n)"
LABEL_MUST_BE = (
    "at most 80 letters, digits and `_.-` without `-vs-`, since it becomes part of file names"
)
Label = Annotated[str, Field(pattern=LABEL, json_schema_extra={"must_be": LABEL_MUST_BE})]
ResultsFolder = Annotated[
    str,
    Field(
        pattern=r"""^(?!-)[^{}\x00-\x1f\x7f"'`$\\]+$(?!\n)""",
        json_schema_extra={
            "must_be": "a folder's name without braces, quotes and control characters, which "
            "Snakemake or a shell would read"
        },
    ),
]
Share = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,3}(\.[0-9]{1,9})?%$(?!\n)",
        json_schema_extra={"must_be": "a share like 1% or 0.5%, or null"},
    ),
]
FilePath = Annotated[str, Field(min_length=1)]
# A group of training images: see `dataset.groups`, which finds out which ones.
Group = Annotated[str, Field(min_length=1, max_length=4096)]
PLANTED = "planted"
OF_CLASS = "class:"
GROUP_WORDS = (
    "`planted`, the images with the plant; `class:NAME`, all images of a class; or a CSV file with "
    "the columns `split` and `example`, as for `proof.groups`, whose rows of split train count."
)

# Maxima lie far above any sensible study: they turn a slip of the keyboard into a line at once.
Side = Annotated[int, Field(ge=1, le=8192)]  # pixels, or channels
Place = Annotated[int, Field(ge=0, le=8192)]  # pixels from the top or the left
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class OwnPart(Section):
    """A part of the user's own. Its other keys go to the function as they are."""

    model_config = ConfigDict(extra="allow")

    name: ImportPath = Field(
        description="A part of one's own, found where Snakemake runs or among the installed "
        "packages."
    )


def parts_of(kind: Any) -> list[type[Section]]:
    """The sections that a type consists of, in their order."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return [kind]
    parts = []
    for argument in get_args(kind):
        parts += parts_of(argument)
    return parts


def names_of(kind: Any) -> list[str]:
    """The names of the parts that come with ModelDiff, among those that a type consists of."""
    names: list[str] = []
    for part in parts_of(kind):
        names += get_args(part.model_fields["name"].annotation)
    return names
