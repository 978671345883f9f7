"""Which transformations of the library are worth trying, for each direction?

All of them are applied to images that directions were found on, so that the verification images
stay unseen, and shown to the first few models trained on the full training set. Those that move the
two algorithms most differently are proposed, with intervals that hold for all attempts at once.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from modeldiff import dataset, transformations
from modeldiff.core import artifacts, rng
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, as_float
from modeldiff.study import Study
from modeldiff.study.stages import WAYS
from modeldiff.transformations.library import Setting, library
from modeldiff.verification.effects import half_width

IMAGES = 500  # at most; more would add little, since there are few models
COLUMNS = (
    "way", "direction", "rank", "transformation", "options", "strength", "class",
    "effect_a", "effect_b", "difference", "low", "high", "attempts",
    "models_a", "models_b", "images",
)  # fmt: skip


class Trials(NamedTuple):
    """How p(class), the softmax, of images of other classes moves under each setting.

    by_model: float64 [settings x classes x models], means over images; by_image: [settings x
    classes x images], means over models; labels: int64 [images], of the images themselves.
    """

    by_model: np.ndarray
    by_image: np.ndarray
    labels: np.ndarray


def attempt(
    study: Study,
    name: str,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Try the whole library on the first full-data models of `name`; `Trials` as .npz.

    Models whose outputs are not finite are left out.
    """
    from modeldiff.training.shard import load_full  # torch only where models are used

    order = rng.permutation(len(data.targets), "candidates", study.seed)
    chosen = data.targets[np.sort(order[:IMAGES])]
    images = as_float(data.test.images[chosen])
    labels = data.test.labels[chosen]
    other = labels[:, None] != np.arange(len(data.classes))
    settings = library(data.test.images.shape[1:])
    by_model: list[list[np.ndarray]] = [[] for _ in settings]
    by_image = np.zeros((len(settings), *other.shape))
    for trained in load_full(study, name, data, checkpoints, device=device, first=study.candidates):
        plain = trained.logits(images)
        fit = plain.isfinite().all(2).all(1)
        before = plain[fit].softmax(2)
        for s, (part, strength) in enumerate(settings):
            after = trained.logits(transformations.apply(part, images, strength))[fit].softmax(2)
            moved = (after - before).cpu().numpy().astype(np.float64)
            by_image[s] += moved.sum(0)
            by_model[s].append((moved * other).sum(1) / other.sum(0))
    models = np.stack([np.concatenate(parts).T for parts in by_model])
    if models.shape[2] < 2:
        raise UserError(
            f"algorithms.{name}: only {models.shape[2]} of its first {study.candidates} models "
            "trained on all data did not diverge, and candidates need two; lower its learning rate"
        )
    trials = Trials(models, by_image.transpose(0, 2, 1) / models.shape[2], labels)
    with artifacts.write(output, study.key("trials", name)) as file:
        artifacts.write_arrays(file, trials._asdict())


def propose(
    study: Study,
    pair: tuple[str, str],
    manifest: str | Path,
    trials: tuple[str | Path, str | Path],
    compared: str | Path,
    output: str | Path,
) -> None:
    """Write what to try for each direction of `pair`, as CSV.

    trials: of both, as `attempt` wrote them; compared: the pair's comparison. A row per way,
    direction (1 is the first) and transformation that moves the way's first algorithm more, at the
    setting and towards the class with the largest difference; `rank` 1 has the largest of all.
    Effects and `difference`, a's less b's, are of probability; `low` and `high` bound the
    difference with 95% for all `attempts`: settings x classes that any direction asks for.
    """
    content = dataset.read_manifest(manifest, study.key("dataset"))
    train_labels = np.array(content["labels"]["train"])
    test_labels = np.array(content["labels"]["test"])
    a = _read(trials[0], study.key("trials", pair[0]))
    b = _read(trials[1], study.key("trials", pair[1]))
    wanted = {}
    key = study.key("comparison", *pair)
    arrays = artifacts.arrays(compared, key)
    for way in WAYS:
        ends = zip(arrays[f"{way}.directions"], arrays[f"{way}.test_high"], strict=True)
        for i, (direction, test) in enumerate(ends):
            wanted[way, i + 1] = directed(direction, test, train_labels, test_labels)
    settings = library(tuple(content["shape"]))
    tried = differences(a, b, settings, set().union(*wanted.values()), content["classes"])
    rows = []
    for (way, direction), classes in wanted.items():
        asked = tried[tried["class"].isin([content["classes"][c] for c in classes])]
        best = ranked(asked, "ab" if way == WAYS[0] else "ba")
        rows.append(best.assign(way=way, direction=direction, rank=range(1, len(best) + 1)))
    with artifacts.write(output, study.key("candidates", *pair)) as file:
        pd.concat(rows)[list(COLUMNS)].to_csv(file, index=False)


def _read(path: str | Path, key: str) -> Trials:
    content = artifacts.arrays(path, key)
    return Trials(content["by_model"], content["by_image"], content["labels"])


def directed(
    direction: np.ndarray, test: np.ndarray, train_labels: np.ndarray, test_labels: np.ndarray
) -> set[int]:
    """The classes a direction may move predictions to: the most frequent one among its strongest
    test images, and that among its strongest training images, of either sign.

    direction: [train examples]; test: its strongest test images; as many training images are used.
    """
    train = np.argsort(-np.abs(direction), kind="stable")[: len(test)]
    of_test = np.bincount(test_labels[test]).argmax()
    of_train = np.bincount(train_labels[train]).argmax()
    return {int(of_test), int(of_train)}


def differences(
    a: Trials, b: Trials, settings: Sequence[Setting], classes: Iterable[int], names: Sequence[str]
) -> pd.DataFrame:
    """Every attempt, a setting towards a class, with its effects, difference and interval."""
    rows: list[dict[str, Any]] = []
    asked = sorted(classes)
    attempts = len(settings) * len(asked)
    for c in asked:
        other = a.labels != c
        of_a = a.by_model[:, c]
        of_b = b.by_model[:, c]
        half_widths = difference_half_widths(
            of_a, of_b, (a.by_image - b.by_image)[:, c, other], attempts
        )
        values = zip(settings, of_a.mean(1), of_b.mean(1), half_widths, strict=True)
        for (part, strength), effect_a, effect_b, far in values:
            rows.append(
                {
                    "transformation": part.name,
                    "options": json.dumps(part.options),
                    "strength": strength,
                    "class": names[c],
                    "effect_a": effect_a,
                    "effect_b": effect_b,
                    "difference": effect_a - effect_b,
                    "low": effect_a - effect_b - far,
                    "high": effect_a - effect_b + far,
                    "attempts": attempts,
                    "models_a": of_a.shape[1],
                    "models_b": of_b.shape[1],
                    "images": int(other.sum()),
                }
            )
    return pd.DataFrame(rows)


def difference_half_widths(
    models_a: np.ndarray, models_b: np.ndarray, images: np.ndarray, attempts: int
) -> np.ndarray:
    """Half widths of 95% intervals of differences of effects, for all attempts.

    models_a, models_b: effects, float [n x models]; images: differences, float [n x images].
    Each attempt gets Bonferroni's share of 5%: resampling could not reach that far into the tail.
    """
    return half_width([models_a, models_b, images], 0.05 / attempts)


def ranked(tried: pd.DataFrame, order: str) -> pd.DataFrame:
    """Each transformation's best attempt that moves the first of `order` ("ab" | "ba") more."""
    first = tried[f"effect_{order[0]}"].abs()
    second = tried[f"effect_{order[1]}"].abs()
    size = tried["difference"].abs()
    chosen = tried[first > second].assign(size=size).sort_values("size", ascending=False)
    return chosen.drop_duplicates("transformation")
