"""Does a feature move one algorithm's predictions and not the other's?

Source: ModelDiff (Shah et al., ICML 2023), definition of a distinguishing feature
transformation: the effect is the mean of p(c | F(x)) - p(c | x) over images and models trained
on the full training set. It is measured on images that no direction was found on, with p as
mean softmax and as the share of models whose prediction is c.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from modeldiff import transformations
from modeldiff.core import arguments, artifacts, student
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.dataset import Dataset
from modeldiff.study import Study, kinds, stages

if TYPE_CHECKING:
    from torch import Tensor

    from modeldiff.training.trained_models import TrainedModels

MEASURES = ("softmax", "argmax")
OVER = ("both", "models", "images")
BLOCK = 1024  # images whose outputs are held at a time
COLUMNS = (
    "transformation", "strength", "class", "algorithm", "measure",
    "effect", "over", "low", "high", "n_models", "n_images",
)  # fmt: skip


def predict(
    study: Study,
    name: str,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Write what each full-data model predicts, and how transformations move its predictions.

    output: .npz; for each transformation t, `t` is float32 [measures x strengths x models x
    images], p(c | F(x)) - p(c | x) on verification images. Beside it, `predicted.npy` is int32
    [models x test images], the class that each model predicts of each test image as it is. Models
    whose outputs are not finite are left out and counted in the record.
    """
    from modeldiff.training.shard import load_full  # torch only where models are used

    images = kinds.unpacked(data.test.images[data.verification])
    moved: dict[str, list[np.ndarray]] = {t: [] for t in study.transformations}
    predicted = []
    failed = 0
    for trained in load_full(study, name, data, checkpoints, device=device):
        plain = trained.logits(images)
        fit = plain.isfinite().all(2).all(1)
        failed += int((~fit).sum())
        predicted.append(_predicted(trained, data.test.images)[fit.cpu().numpy()])
        for label, transformation in study.transformations.items():
            c = data.classes.index(transformation.target)
            before = _probability(plain[fit], c)
            after = []
            for strength in transformation.strengths:
                changed = transformations.apply(transformation.part, images, strength)
                after.append(_probability(trained.logits(changed)[fit], c))
            moved[label].append(np.stack(after, axis=1) - before[:, None])
    arrays = {label: np.concatenate(parts, axis=2) for label, parts in moved.items()}
    key = study.key("predictions", name)
    with artifacts.write(stages.beside(output, "predicted"), key) as file:
        np.save(file, np.concatenate(predicted))
    with artifacts.write(output, key, failed=failed) as file:
        artifacts.write_arrays(file, arrays)


def _predicted(trained: "TrainedModels", images: np.ndarray) -> np.ndarray:
    """The class that each model predicts of each image: int32 [models x images]."""
    classes = []
    for start in range(0, len(images), BLOCK):
        logits = trained.logits(images[start : start + BLOCK])
        classes.append(logits.argmax(2).int().cpu().numpy())
    return np.concatenate(classes, axis=1)


def _probability(logits: "Tensor", c: int) -> np.ndarray:
    """p(c), as softmax and as "c is predicted": float32 [measures x models x images]."""
    softmax = logits.softmax(2)[..., c]
    predicted = (logits.argmax(2) == c).float()
    return np.stack([softmax.cpu(), predicted.cpu()])


def effects(study: Study, predictions: dict[str, str | Path]) -> pd.DataFrame:
    """Effects with 95% intervals, one row per condition and kind of interval.

    predictions: for each algorithm (`Study.verified` of a pair), what `predict` wrote.
    Columns: transformation, strength, class, algorithm, measure (softmax | argmax), effect,
    over (what would be drawn anew: both | models | images), low, high, n_models, n_images. Effects
    are differences of probability, -1 to 1. See `interval`.
    """
    rows = []
    for name, path in predictions.items():
        arrays = artifacts.arrays(path, study.key("predictions", name))
        for label, transformation in study.transformations.items():
            moved = arrays[label]
            strengths = len(transformation.strengths)
            if moved.ndim != 4 or moved.shape[:2] != (len(MEASURES), strengths):
                wanted = f"[{len(MEASURES)} x {strengths} x models x images]"
                came = f"{label!r} is {list(moved.shape)}, not {wanted}"
                raise CorruptArtifact(f"{path}: {came}", artifact=path)
            if moved.shape[2] == 0:
                raise UserError(
                    f"algorithms.{name}: every model trained on all data diverged, so no "
                    "effect can be measured; lower its learning rate, or leave it out"
                )
            conditions = product(enumerate(MEASURES), enumerate(transformation.strengths), OVER)
            for (i, measure), (j, strength), over in conditions:
                low, high = interval(moved[i, j], over)
                rows.append(
                    {
                        "transformation": label,
                        "strength": strength,
                        "class": transformation.target,
                        "algorithm": name,
                        "measure": measure,
                        "effect": float(moved[i, j].mean(dtype=np.float64)),
                        "over": over,
                        "low": low,
                        "high": high,
                        "n_models": moved.shape[2],
                        "n_images": moved.shape[3],
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(
    study: Study, pair: tuple[str, str], predictions: dict[str, str | Path], output: str | Path
) -> None:
    """Write the table of `effects` for a pair, as CSV."""
    table = effects(study, predictions)
    with artifacts.write(output, study.key("verification", *pair)) as file:
        table.to_csv(file, index=False)


def interval(moved: np.ndarray, over: str) -> tuple[float, float]:
    """95% interval of the mean of `moved`, float [models x images], in [-1, 1].

    over: what another study would draw anew: "models", "images", or "both". See `half_width`. Over
    both, the interval is slightly too wide, since what a model does to one image adds to both
    sources. It is -1 to 1 if a source is a single model or image, which says nothing about others.
    How often the intervals cover: benchmarks/intervals.py.
    """
    arguments.one_of("over", over, ("models", "images", "both"))
    moved = arguments.matrix("moved", moved, "models x images")
    by_model = moved.mean(1, dtype=np.float64)
    by_image = moved.mean(0, dtype=np.float64)
    sources = {"models": [by_model], "images": [by_image], "both": [by_model, by_image]}[over]
    centre = by_model.mean()
    far = half_width(sources, 0.05)
    low, high = np.clip([centre - far, centre + far], -1, 1)
    return float(low), float(high)


def half_width(sources: Sequence[np.ndarray], level: float) -> np.ndarray:
    """Half the width of an interval of a mean, float64 [...].

    sources: for each independent source of error the values that it gives, float [... x values].
    level: probability of missing the mean, 0.05 for 95%. Each source has Student's t for its own
    number of values, and the squares add up. For normal means the coverage is at least 1 - level,
    however different the variances and however few the values (Banerjee 1960). Infinite if a source
    has one value.
    """
    # The sum over sources of t^2 s^2 / n, for n values of variance s^2 and Student's quantile t.
    squares = np.zeros(sources[0].shape[:-1])
    for values in sources:
        n = values.shape[-1]
        if n < 2:
            return np.full_like(squares, np.inf)
        quantile = student.isf(level / 2, n - 1)
        squares += quantile**2 * values.var(-1, ddof=1) / n
    return np.sqrt(squares)
