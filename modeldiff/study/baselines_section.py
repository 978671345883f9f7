"""Which other ways to compare two recipes are tried beside, as a config says it."""

from typing import Literal

from pydantic import Field

from modeldiff.study.section import Absent, FilePath, ImportPath, Section

BuiltIn = Literal["predictions", "cka", "cca", "ddv", "jst", "dcca", "automata"]


class Baselines(Section):
    """Other ways to compare two recipes, on the same models trained on all data: how far are models
    of the two apart, and how far are models of one? Absent: none are tried.
    """

    methods: list[BuiltIn | ImportPath] = Field(
        default=["predictions", "cka", "ddv"],
        min_length=1,
        max_length=100,
        json_schema_extra={"uniqueItems": True},
        description="`predictions`: disagreement, error consistency and Jensen-Shannon divergence; "
        "`cka` and `cca`: features, by debiased linear CKA and by SVCCA and PWCCA; `ddv`: decision "
        "distance vectors on adversarial images; `jst`: joint surrogate trees, whose rules say in "
        "named terms where the two differ; `dcca`: deep CCA of features, which trains networks, "
        "minutes rather than seconds, for 5 models of each; `automata`: for sequences in two "
        "classes, finite automata that say what the models say, and the words on which the "
        "recipes differ, for 10 models of each; or the import path of a function of a "
        "`modeldiff.baselines.Pool` that returns distances between its models, float [models x "
        "models] or [models x models x images].",
    )
    models: int = Field(
        default=20,
        ge=3,
        le=100,
        description="Models of each algorithm that are compared, of those trained on the full "
        "training set; as many as there are, if there are fewer.",
    )
    metadata: FilePath | Absent = Field(
        default=None,
        description="What you know of the test images, for the rules of `jst`: a CSV file with a "
        "header and a row for each test image, in their order (the one that proposals and "
        "`proof.groups` number them by). Columns of numbers, and of at most 100 texts each. It "
        "must not be made of these models, or the test of `jst` does not hold.",
    )
