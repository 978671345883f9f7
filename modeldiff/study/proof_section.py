"""How differences are proposed and proved, as a config says it."""

from typing import Annotated, Literal

from pydantic import Field

from modeldiff.study.section import FilePath, Label, Section

INFLUENCE_KINDS = ("influence", "predictive")  # what proposes: see `attribution.gradients`
DIRECTION = "direction"  # of the comparison, which proposes, too


class Proof(Section):
    """Where the two differ, proposed by gradients of a few models trained on all data, and proved
    by models trained on sets chosen for each proposal; absent: nothing is proposed.
    """

    proposers: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="Models of each algorithm trained on the full training set whose gradients "
        "propose; as many as there are, if there are fewer.",
    )
    proposals: int = Field(
        default=2,
        ge=0,
        le=100,
        description="Proposals by each of two kinds of influence, plain and as it predicts "
        "margins. 0: no gradients are taken; `directions` and `groups` propose.",
    )
    directions: int = Field(
        default=0,
        ge=0,
        le=100,
        description="The first so many directions of the comparison, of either of its two ways, "
        "are proposals, too. 0: proposals do not wait for the models on random subsets.",
    )
    models: int = Field(
        default=3,
        ge=2,
        le=1_000,
        description="Models of each algorithm that a round trains on each of the two opposite "
        "halves of the training set that a proposal makes.",
    )
    rounds: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Rounds at most. What is decided after a round gets no more models; rounds "
        "can be added later.",
    )
    margins: Literal["relative", "absolute"] = Field(
        default="relative",
        description="Which margins the two algorithms are compared by: `relative`, each model's "
        "margins divided by their root mean square over the targets, so that an algorithm with "
        "larger margins is not said to differ for that alone; or `absolute`, as they are.",
    )
    removal: list[Annotated[float, Field(gt=0, le=0.25)]] = Field(
        default=[],
        max_length=20,
        json_schema_extra={"uniqueItems": True},
        description="Shares of the training images, e.g. 0.01, that are left out to see how large "
        "the group behind a proved proposal is: those that it weighs most, against as many random "
        "others of the same classes. Proposals are proved first, so that it takes two rounds or "
        "more.",
    )
    groups: dict[Label, FilePath] = Field(
        default={},
        max_length=100,
        description="Groups of images that you suspect, by a name of your own: a CSV file each, "
        "with the columns `split` (train or test) and `example` (its number, from 0). The training "
        "images are left out, against as many random others of the same classes; the test images "
        "are looked at.",
    )

    @property
    def sources(self) -> tuple[str, ...]:
        """What proposes each of a pair's proposals, but for the groups that the user names."""
        sources: list[str] = []
        for kind in INFLUENCE_KINDS:
            sources += [kind] * self.proposals
        return (*sources, *[DIRECTION] * (2 * self.directions))

    @property
    def all_proposals(self) -> int:
        """Those, and the groups."""
        return len(self.sources) + len(self.groups)

    @property
    def round_names(self) -> tuple[str, ...]:
        """The numbers of all rounds, from 1, as they stand in paths."""
        return tuple(str(number + 1) for number in range(self.rounds))

    def tested(self, round_number: int) -> int:
        """How many of `proof.experiments` a round has models for: the first so many.

        How large the group of a proposal is, is asked after the first round.
        """
        removals = len(self.sources) * len(self.removal)
        return self.all_proposals + (removals if round_number > 1 else 0)

    def retrained(self, round_number: int) -> int:
        """Models retrained of each algorithm of a pair in a round: on two sets per experiment."""
        return 2 * self.tested(round_number) * self.models
