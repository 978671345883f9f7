"""Every key of a study: its type, bounds, default, unit and meaning.

`config/schema.json` and `docs/config.md` are made from these classes. A class's docstring is what
the reference says of its section.
"""

from typing import Annotated, Literal

from pydantic import Field

from modeldiff.study.algorithm_section import AlgorithmSection
from modeldiff.study.baselines_section import Baselines
from modeldiff.study.dataset_section import Dataset
from modeldiff.study.mining_section import Mine
from modeldiff.study.proof_section import Proof
from modeldiff.study.section import (
    Absent,
    Count,
    ImportPath,
    Label,
    ResultsFolder,
    Section,
    Share,
)
from modeldiff.study.transformation_section import Transformation
from modeldiff.study.unlearning_section import Unlearning


class Evaluation(Section):
    """Models that no datamodel is fitted on; they measure how well datamodels predict.

    A tenth of all models is usual.
    """

    subsets: int = Field(default=75, ge=3, le=1_000_000, description="Held-out subsets.")
    repeats: int = Field(
        default=2,
        ge=1,
        le=10_000,
        description="Models trained on each held-out subset, with other seeds. Their spread "
        "gives the noise ceiling; 1 gives none.",
    )


class Subsets(Section):
    """Which examples each model is trained on.

    Left out only where every algorithm of a pair has `scores`.
    """

    alpha: float = Field(
        default=0.5, gt=0, lt=1, description="Share of the training examples in each subset."
    )
    models: Count = Field(
        description="Models trained per algorithm, those held out for evaluation included. More "
        "can be added later without training the old ones again."
    )
    evaluation: Evaluation = Evaluation()


class Training(Section):
    """How models are trained, not what they become (but for the margin)."""

    margin: Literal["max", "log_odds"] = Field(
        default="log_odds",
        description="Output that datamodels predict: `max` is the ModelDiff paper's, logit_y - "
        "max of the others; `log_odds` is TRAK's, logit_y - logsumexp of the others.",
    )
    shard: Count = Field(
        default=250,
        description="Models that one job trains. Can be changed at any time; what is trained "
        "stays.",
    )
    minutes_per_job: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="Wanted length of a training job, minutes, instead of `shard`; a first job "
        "of each algorithm measures how many models that are. Ten or more keep the "
        "scheduler's share small.",
    )
    width: Literal["auto"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=125,
        description="Models trained at once by batched matrix products; 1 trains one after "
        "another (as models with batch normalisation, dropout or mixed precision "
        "always are). Halved where memory does not suffice. `auto` takes what a "
        "first job of each algorithm finds fastest.",
    )
    loader: Literal["resident", "ffcv", "auto"] = Field(
        default="auto",
        description="Where training images are read from: `resident` keeps them on the device, "
        "`ffcv` reads a file of FFCV's, `auto` does so from 4 GB on. Both give the "
        "same models (but for `jpeg`).",
    )
    jpeg: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Quality that FFCV's file compresses training images with; null keeps every "
        "pixel, in more space.",
    )
    compile: bool = Field(
        default=False,
        description="Compile models that train one after another (`torch.compile`; on a GPU with "
        "CUDA graphs). It takes half a minute or more per job, and pays over many "
        "models.",
    )
    threads: int = Field(default=1, ge=1, le=1_024, description="CPU threads of one training job.")
    gpu: int = Field(
        default=0, ge=0, le=1, description="GPUs of one training job; 0 trains on the CPU."
    )
    memory: Count = Field(default=2000, description="Memory asked for each training job, MB.")
    minutes: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="Time limit asked for each training job, minutes (twice, three, four times "
        "that at retries).",
    )
    allow_missing: Share | None = Field(
        default=None,
        description="Share of an algorithm's models, e.g. 1%, that `modeldiff skip-missing` may "
        "leave out when their jobs cannot be finished; null: none.",
    )


class Datamodels(Section):
    """Regression of margins on masks."""

    estimator: (
        Literal["lasso", "ridge", "ols", "difference", "multiplicative_weights"] | ImportPath
    ) = Field(
        default="ridge",
        description="`lasso` is the papers'; `ridge` keeps groups of redundant examples visible; "
        "`ols`; `difference` of mean margins with and without an example; "
        "`multiplicative_weights`, one pass over the models without sums over pairs of examples; "
        "or the import path of a function of masks and margins.",
    )
    path: int = Field(
        default=20, ge=2, le=1_000, description="Penalties tried by lasso, a geometric path."
    )
    min_ratio: float = Field(
        default=0.01, gt=0, lt=1, description="Smallest over largest penalty of the path."
    )
    penalty: float = Field(
        default=0.1,
        gt=0,
        le=1_000_000,
        description="Penalty of ridge, on standardised mask columns.",
    )
    prior: Literal["gradients"] | Absent = Field(
        default=None,
        description="`gradients`: ridge shrinks towards the influences by the gradients of "
        "`proof.proposers` models trained on all images, as far as held-out models say that it "
        "helps; they say the penalty, too. Absent: towards zero.",
    )
    tolerance: float = Field(
        default=1e-06,
        gt=0,
        le=1,
        description="Duality gap a lasso solution must reach, as a share of the null objective.",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=100,
        description="Folds of the cross-validation that chooses lasso's penalty; null chooses it "
        "on every tenth model.",
    )
    jobs: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Jobs that the targets of an algorithm are split over. From 2 on they share "
        "one file of sums over masks, to which models that join a study are added. "
        "Can be changed at any time; results stay the same.",
    )
    memory: Count = Field(
        default=4000,
        description="Memory asked for each job, MB, more at each retry. A fit takes 4 bytes x "
        "(6, or 4 + `folds`) per pair of training examples, and 80 bytes per "
        "training example and target (of 1,024 at a time).",
    )


class Comparison(Section):
    """What sets two algorithms apart."""

    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        min_length=1,
        max_length=1_000,
        description="Pairs of algorithm names [a, b]; each is compared both ways.",
    )
    rows: Literal["unit", "raw"] = Field(
        default="unit",
        description="Scaling of datamodels before residuals (no part of the contrast): `unit` "
        "norm (the paper's notebooks), `raw` (the published package).",
    )
    method: Literal["contrast", "residual"] = Field(
        default="contrast",
        description="`contrast`: the difference of the two, tested against no difference; "
        "`residual` is the paper's, from datamodels alone, untested.",
    )
    penalty: float = Field(
        default=2,
        gt=0,
        le=1_000_000,
        description="Ridge penalty of the contrast, on standardised mask columns. More than "
        "predicts margins best, since what differs is weak against the noise.",
    )
    permutations: int = Field(
        default=99,
        ge=19,
        le=1_000_000,
        description="Random exchanges of the two algorithms' models that a contrast is tested "
        "against; no p-value is smaller than one in this many.",
    )
    directions: int = Field(
        default=10, ge=1, le=256, description="Distinguishing directions kept each way."
    )
    examples: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Test and training examples listed at each end of a direction.",
    )


class Verification(Section):
    """Does a feature move one algorithm and not the other?

    Models trained on the full training set, features put on unseen test images.
    """

    models: int = Field(
        default=50,
        ge=2,
        le=100_000,
        description="Models per algorithm trained on the full training set.",
    )
    candidates: Annotated[int, Field(ge=2, le=100_000)] | Absent = Field(
        default=None,
        description="Of these models, how many the whole library of transformations is tried on "
        "to propose some for each direction; absent: none are proposed. Their "
        "intervals hold for all attempts at once, which makes them wide: ten models "
        "or more.",
    )
    mine: Mine | Absent = None
    transformations: dict[Label, Transformation] = Field(
        default={},
        max_length=1000,
        description="Feature transformations to try, by a name of your own.",
    )


class Config(Section):
    """A whole study."""

    study: Label = Field(description="Name of the study; its results go to `<results>/<study>/`.")
    results: ResultsFolder = Field(
        default="results",
        description="Folder of all studies' results, relative to where Snakemake runs.",
    )
    preset: Literal["best", "paper", None] = Field(
        default="best",
        description="How the study is made, in a word, instead of estimator, method, rows and "
        "margin: `best` by the benchmark with planted differences, `paper` as "
        "published, null by those keys one by one. A config that names no preset has "
        "`best`, or null where it sets one of them otherwise.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of everything random. Two studies with different seeds share no random "
        "number.",
    )
    dataset: Dataset = Field(
        description="The images, fixed in their order for ever. Example i is example i in every "
        "file."
    )
    subsets: Subsets | Absent = None
    algorithms: dict[Label, AlgorithmSection] = Field(
        min_length=1,
        max_length=200,
        description="The learning algorithms, by name. YAML anchors (`&recipe`, `<<`) keep what "
        "they share in one place.",
    )
    training: Training = Training()
    datamodels: Datamodels = Datamodels()
    comparison: Comparison
    proof: Proof | Absent = None
    baselines: Baselines | Absent = None
    unlearning: Unlearning | Absent = None
    verification: Verification = Verification()
