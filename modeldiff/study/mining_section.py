"""How the features behind proved differences are looked for, as a config says it."""

from typing import Annotated

from pydantic import Field

from modeldiff.study.section import Section


class Mine(Section):
    """The features behind proved differences, found without being told: patches cut out of the
    training images of a difference, learned patches and patterns, and edits of whole images;
    absent: none are looked for. Needs `proof`.
    """

    models: int = Field(
        default=5,
        ge=2,
        le=1_000,
        description="Models of each algorithm, the first of `verification.models`, that features "
        "are found and chosen with; the others prove, and must be five or more.",
    )
    images: int = Field(
        default=200,
        ge=32,
        le=100_000,
        description="Test images to find on, and as many to choose on, at most; half of those that "
        "directions are found on, if these are fewer. Features are proved on verification images.",
    )
    crops: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Patches that are tried for each difference, at most.",
    )
    steps: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Steps in which each patch or pattern is learned.",
    )
    removal: Annotated[float, Field(gt=0, le=0.25)] = Field(
        default=0.02,
        description="Share of the training images that are left out to see whether what is found "
        "goes with them: those that the difference weighs most, against as many random others of "
        "the same classes.",
    )
    removal_models: int = Field(
        default=4,
        ge=2,
        le=1_000,
        description="Models of each algorithm that are trained without either of these sets, for "
        "each difference of which a feature is found.",
    )
