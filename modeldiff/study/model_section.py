"""The models that an algorithm can train, as a config says them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from modeldiff.study.section import Absent, FilePath, ModelPath, OwnPart, Section, Side


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


class Recurrent(Section):
    """A gated recurrent unit (GRU) over the symbols of a sequence, and a linear layer."""

    name: Literal["recurrent"]
    width: Side = Field(default=32, description="Numbers of its state.")


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
        Mlp | ConvNet | ResNet9 | Airbench | ResNet | BagOfWords | Transformer | Recurrent,
        Field(discriminator="name"),
    ]
    | OwnModel
)
