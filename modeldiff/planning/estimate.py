"""What a study will roughly cost, without its data or its config: from recipes that were measured.

What `modeldiff plan CONFIG` measures is better. This tells whether it is worth writing a config.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from modeldiff.core.errors import UserError
from modeldiff.study.proof_section import INFLUENCE_KINDS, Proof

FLOAT = 4  # bytes
FULL_MODELS = 20  # of each recipe, on all images: a new study's
SUBSET_MODELS = 200  # of each recipe, on halves: a new study's
RECIPES_COMPARED = 2


@dataclass(frozen=True)
class Recipe:
    """A training recipe that was measured.

    seconds: a model's, on `images` images of `side` pixels for `epochs` epochs, its predictions of
    test images included. unit: of what; on: the hardware. source: where it is documented.
    parameters: of its model.
    """

    seconds: float
    images: int
    side: int
    epochs: int
    parameters: int
    unit: str
    on: str
    source: str


RECIPES = {
    "resnet9": Recipe(
        seconds=3.85,
        images=25_000,
        side=32,
        epochs=24,
        parameters=2_274_880,
        unit="GPU",
        on="an NVIDIA H200, compiled",
        source="docs/gpu.md",
    ),
    "airbench": Recipe(
        seconds=0.90,
        images=25_000,
        side=32,
        epochs=10,
        parameters=1_972_792,
        unit="GPU",
        on="an NVIDIA H200, compiled",
        source="docs/gpu.md",
    ),
    "convnet": Recipe(
        seconds=1.13,
        images=500,
        side=16,
        epochs=24,
        parameters=6_548,
        unit="CPU",
        on="one core of an Intel Xeon",
        source="modeldiff plan config/cifar10-augmentation.yaml",
    ),
    "mlp": Recipe(
        seconds=0.018,
        images=600,
        side=8,
        epochs=20,
        parameters=4_810,
        unit="CPU",
        on="one core of an Intel Xeon, 125 models at once",
        source="modeldiff plan config/config.yaml",
    ),
}


@dataclass(frozen=True)
class Estimate:
    """Of two recipes together.

    models: of each recipe, by what they are for. hours: of training, in units of the recipe.
    disk, memory: bytes; memory is what the largest job after training holds.
    """

    models: dict[str, int]
    hours: float
    disk: float
    memory: float


def estimate(name: str, images: int, targets: int, models: int = SUBSET_MODELS) -> Estimate:
    """For two recipes like the measured one on `images` training images of its size.

    targets: test images that datamodels are fitted to. models: of each, on halves. Training takes
    time in proportion to the images; gradients and datamodels are not in `hours`.
    Raises UserError for a recipe that was not measured.
    """
    if name not in RECIPES:
        raise UserError(f"--recipe: {name!r} was not measured; {', '.join(RECIPES)} were")
    recipe = RECIPES[name]
    proof = Proof()
    retrained = sum(proof.retrained(int(number)) for number in proof.round_names)
    trained = {"on halves": models, "on all images": FULL_MODELS, "to prove, at most": retrained}
    halves = models / 2 + FULL_MODELS + retrained / 2  # models, by the images they see
    each = recipe.seconds / recipe.images * images
    scores = FLOAT * targets * images
    per_recipe = scores * (1 + len(INFLUENCE_KINDS))  # datamodels, and influences by gradients
    per_recipe += 2 * FLOAT * models * targets  # margins: of each job, and together
    per_recipe += FLOAT * FULL_MODELS * recipe.parameters
    gram = 6 * FLOAT * images**2  # what a fit holds: see `datamodels.memory`
    return Estimate(
        models=trained,
        hours=RECIPES_COMPARED * halves * each / 3600,
        disk=RECIPES_COMPARED * per_recipe + models * images / 8,
        memory=max(gram, scores * len(INFLUENCE_KINDS)),
    )


def lines(name: str, images: int, targets: int, told: Estimate) -> Iterator[str]:
    """The estimate for people."""
    recipe = RECIPES[name]
    yield (
        f"two recipes like {name} ({recipe.epochs} epochs) on {images:,} training images of "
        f"{recipe.side} x {recipe.side} pixels, {targets:,} targets"
    )
    counted = ", ".join(f"{count:,} {what}" for what, count in told.models.items())
    yield f"  models of each    {counted}"
    yield f"  training          about {told.hours:.2g} {recipe.unit}-hours"
    yield f"  disk              about {told.disk / 1e9:.2g} GB"
    yield f"  memory            about {told.memory / 1e9:.2g} GB for a job that fits datamodels"
    yield (
        f"Measured: {recipe.seconds:g} {recipe.unit} seconds a model on {recipe.images:,} images, "
        f"{recipe.on} ({recipe.source}); the rest in proportion. `modeldiff plan CONFIG` measures "
        "your own."
    )
