"""What an algorithm does after training, as a config says it."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from modeldiff.study.section import GROUP_WORDS, Absent, Group, ImportPath, OwnPart, Section


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
