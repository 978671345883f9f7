"""The `dataset` section: the data sets by name, and what is planted into them."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from modeldiff.study.section import Absent, Count, FilePath, ImportPath, Section, Side
from modeldiff.study.transformation_section import name_of_a_transformation


class PlantSection(Section):
    """A known difference put into the data: a feature, its label, and on how many images."""

    feature: str = Field(
        default="watermark",
        json_schema_extra=name_of_a_transformation,
        description="The transformation that draws the feature, at strength 1.",
    )
    options: dict[str, Any] | Absent = Field(
        default=None, description="Options of the transformation, such as the `column` it sets."
    )
    label: str = Field(
        alias="class", description="The label that planted images are given (a class name)."
    )
    train: Count = Field(
        default=12, description="Planted training images, drawn from the other classes."
    )
    test: float = Field(
        default=0.08,
        gt=0,
        lt=1,
        description="Share of all test images that are planted, drawn from the other classes.",
    )


class DatasetKeys(Section):
    """What every data set has."""

    name: str
    verification_share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="Share of the test images that no direction is found on and every effect is "
        "measured on.",
    )
    plant: PlantSection | None = Field(
        default=None,
        description="A known difference to look for (a feature put on images that are "
        "relabelled), or null.",
    )
    code: str | float | Absent = Field(
        default=None,
        description="Version of a function of one's own and of `plant.feature`, a text or number "
        "of your choice, e.g. v2. The data are prepared again when it changes, and "
        "no longer when the source of that code, or a file that an option names, "
        "does.",
    )


class Digits(DatasetKeys):
    """scikit-learn's handwritten digits."""

    name: Literal["digits"]


class Cifar10(DatasetKeys):
    """CIFAR-10 as its authors give it."""

    name: Literal["cifar10"]
    path: FilePath = Field(description="Folder that holds `cifar-10-batches-py`.")
    download: bool = Field(default=False, description="Download it there if it is missing.")


class Folder(DatasetKeys):
    """Pictures in a folder for each class."""

    name: Literal["folder"]
    path: FilePath = Field(
        description="Folder, or tar archive, with `train/<class>/*` and `test/<class>/*`."
    )
    size: Side = Field(
        description="Side of the images, pixels. The shorter side is resized to it, the rest "
        "cropped around the centre."
    )
    classes: list[str] | None = Field(
        default=None,
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="Which classes, in this order; null takes all, in alphabetical order.",
    )
    train_per_class: Count | None = Field(
        default=None, description="The first so many training images of each class; null takes all."
    )
    test_per_class: Count | None = Field(
        default=None, description="The first so many test images of each class; null takes all."
    )


class Living17(DatasetKeys):
    """17 superclasses of ImageNet's."""

    name: Literal["living17"]
    path: FilePath = Field(
        description="ImageNet's folder, or a tar archive of it, with `train/<wnid>/*` and "
        "`val/<wnid>/*`."
    )
    size: Side = Field(
        default=224,
        description="Side of the images, pixels. The shorter side is resized to 8/7 of it, the "
        "centre cut out.",
    )
    train_per_subclass: Count | None = Field(
        default=None,
        description="The first so many training images of each of the 68 ImageNet classes; null "
        "takes all, and wants all to be there.",
    )
    test_per_subclass: Count | None = Field(
        default=None,
        description="The first so many of each class's 50 validation images; null takes all.",
    )


class Waterbirds(DatasetKeys):
    """Birds pasted on land and water."""

    name: Literal["waterbirds"]
    path: FilePath = Field(description="Folder that holds `metadata.csv`.")
    size: Side = Field(
        default=224, description="Side that the images are resized to, both ways, pixels."
    )
    complete: bool = Field(
        default=True,
        description="Refuse the folder unless each group has its published number of images; "
        "false takes any data so laid out.",
    )


TestShare = Annotated[float, Field(gt=0, lt=1)]


class ExampleFiles(DatasetKeys):
    """Files of examples: one that is split, or one each for training and tests."""

    path: FilePath | Absent = Field(
        default=None,
        description="A file of examples, of which a random share is for tests; or `train` and "
        "`test`, a file each. Of texts and sequences also a folder of Hugging Face's `datasets`.",
    )
    train: FilePath | Absent = Field(default=None, description="A file of training examples.")
    test: FilePath | Absent = Field(default=None, description="A file of test examples.")
    test_share: TestShare = Field(
        default=0.25, description="Share of the examples of `path` that is for tests."
    )


class Table(ExampleFiles):
    """Rows of CSV or Parquet files."""

    name: Literal["table"]
    label: str = Field(
        description="The column of labels of the files, .csv or .parquet; classes are its values, "
        "in their order."
    )


class SklearnTable(DatasetKeys):
    """A table that comes with scikit-learn."""

    name: Literal["sklearn"]
    table: Literal["breast_cancer", "iris", "wine"] = Field(description="Which.")
    test_share: TestShare = Field(
        default=0.25, description="Share of the rows that is for tests, drawn at random."
    )


class Texts(ExampleFiles):
    """Texts of JSON Lines files."""

    name: Literal["texts"]
    text: str = Field(
        default="text",
        description="The key of the text, in an object on each line: {text: ..., label: ...}.",
    )
    label: str = Field(default="label", description="The key of the label.")
    length: Annotated[int, Field(ge=1, le=65_536)] = Field(
        default=256, description="Bytes that are kept of a text."
    )


class Sequences(ExampleFiles):
    """Sequences of symbols of JSON Lines files."""

    name: Literal["sequences"]
    sequence: str = Field(
        default="sequence",
        description="The key of the sequence, in an object on each line: {sequence: 0110, label: "
        "...} or {sequence: [open, read], label: ...}.",
    )
    label: str = Field(default="label", description="The key of the label.")
    length: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        default=None,
        description="Symbols that are kept of a sequence; null keeps as many as the longest has.",
    )


class Tomita(DatasetKeys):
    """Random words, and whether they belong to one of Tomita's languages."""

    name: Literal["tomita"]
    language: int = Field(ge=1, le=7, description="Which of the seven.")
    train: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="Training words."
    )
    test: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=400, description="Test words.")
    longest: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=15, description="Symbols of the longest words; lengths are uniform from 0."
    )


class OwnDataset(DatasetKeys):
    """What a function of the user's returns; its other keys go to it as they are."""

    model_config = ConfigDict(extra="allow")

    name: ImportPath = Field(
        description="A data set that comes with ModelDiff, or the import path of a function that "
        "returns one."
    )


Dataset: TypeAlias = (
    Annotated[
        Digits
        | Cifar10
        | Folder
        | Living17
        | Waterbirds
        | Table
        | SklearnTable
        | Texts
        | Sequences
        | Tomita,
        Field(discriminator="name"),
    ]
    | OwnDataset
)
