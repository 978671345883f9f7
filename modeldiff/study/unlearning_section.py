"""Which algorithms are asked how much of a forgotten group is left, as a config says it."""

from pydantic import Field

from modeldiff.study.section import Label, Section


class Unlearning(Section):
    """How much of a group's weight is left in algorithms that forget it (`finish` with `forget`):
    1, all of it; 0, as if it had never been seen. Absent: it is not asked.
    """

    before: Label = Field(description="The algorithm that learns the group and forgets nothing.")
    never: Label = Field(description="The algorithm that never sees the group: `without` it.")
    models: int = Field(
        default=40,
        ge=8,
        le=10_000,
        description="Models of each algorithm that are asked, of those trained on the full "
        "training set; as many as there are, if there are fewer.",
    )
