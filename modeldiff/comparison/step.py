"""The comparison of one pair of a study: weights and margins in, one file out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modeldiff import margins
from modeldiff.comparison.class_map import Groups
from modeldiff.comparison.contrast import contrast
from modeldiff.comparison.power import Power, of_models
from modeldiff.comparison.residual import compare
from modeldiff.comparison.result import Comparison, ends
from modeldiff.comparison.significance import RANK
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.datamodels import step as datamodels
from modeldiff.study.stages import WAYS
from modeldiff.subsets import Masks

if TYPE_CHECKING:
    from modeldiff.study import Study


def weights(study: "Study", name: str, path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """What an algorithm is compared by, its datamodels' weights, scores from elsewhere, or
    influences by gradients of its checkpoints: float32 of `shape`, [targets x train examples];
    path: `Study.weights` of it, in the study's folder.
    """
    by = study.weights(name)
    key = study.key(by, name)
    if by == "scores":
        content = artifacts.array(path, key, kind="f", dimensions=2)
    elif by == "gradients":
        content = artifacts.arrays(path, key)["influence"]
    else:
        content = datamodels.read(path, key).weights
    if content.shape != shape:
        wanted = f"{list(shape)}, [targets x training examples]"
        raise CorruptArtifact(f"{path}: holds {list(content.shape)}, not {wanted}", artifact=path)
    return content


def write(
    study: "Study",
    pair: tuple[str, str],
    weights: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    classes: tuple[np.ndarray, np.ndarray],
    output: str | Path,
    models: Sequence[str | Path] = (),
    groups: Groups | None = None,
) -> None:
    """Compare a pair both ways and write directions and subpopulations.

    weights: of the pair's two algorithms, [n_targets x n_train]; targets: test example of each row.
    classes: of the targets and of the training examples, int64 [n_targets] and [n_train].
    models: what a contrast reads: masks of all subsets, bit-packed, and the margins of all models
    of either algorithm. groups: of targets and of training examples, for the map of a contrast.
    output: .npz with, for each way ("a-minus-b", "b-minus-a"), `<way>.<field of Comparison>`
    (variances, their intervals and reaches always by algorithm: `variance_a` is a's),
    `<way>.significant`, bool [directions], `<way>.second_follows`, how far the way's second
    algorithm follows the first (`b_follows`), and the examples at both ends of each direction,
    int64 [directions x examples], most extreme first: `train_high`, `train_low`, `test_high`,
    `test_low` (indices of training and test examples). What is not known is NaN: intervals,
    p_value, critical_value, stability and overlap for the method `residual`. A contrast adds
    `power.<field of Power>`, `agreement.<field of Agreement>`, `chance.<field of Chance>` and
    `class_map.<field of ClassMap>`.

    A contrast gives one set of directions for both ways. Each belongs to the way whose first
    algorithm's weights extend further along it (`asymmetry`); if those are fewer than were asked
    for, the least other's fill up. p-values are those among all directions.
    """
    settings = study.comparison
    arrays: dict[str, np.ndarray] = {}
    if settings.method == "contrast":
        a_minus_b, b_minus_a, power = _contrast(study, pair, models, classes, groups)
        arrays |= _named("power", asdict(power))
    else:
        a, b = weights
        a_minus_b = compare(a, b, directions=settings.directions, rows=settings.rows)
        b_minus_a = compare(b, a, directions=settings.directions, rows=settings.rows)
    if a_minus_b.agreement is not None:
        arrays |= _named("agreement", asdict(a_minus_b.agreement))
    if a_minus_b.chance is not None:
        arrays |= _named("chance", asdict(a_minus_b.chance))
    if a_minus_b.class_map is not None:
        arrays |= _named("class_map", asdict(a_minus_b.class_map))
    forward = _fields(a_minus_b, targets, settings.examples)
    backward = _fields(b_minus_a, targets, settings.examples)
    backward |= {  # by algorithm, whatever the way: this comparison's A is the pair's b
        "variance_a": b_minus_a.variance_b,
        "variance_b": b_minus_a.variance_a,
        "interval_a": b_minus_a.interval_b,
        "interval_b": b_minus_a.interval_a,
        "reach_a": b_minus_a.reach_b,
        "reach_b": b_minus_a.reach_a,
    }
    arrays |= _named(WAYS[0], forward)
    arrays |= _named(WAYS[1], backward)
    with artifacts.write(output, study.key("comparison", *pair)) as file:
        artifacts.write_arrays(file, arrays)


def _named(prefix: str, content: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Values as arrays, under names that begin with `prefix`."""
    return {f"{prefix}.{name}": np.asarray(value) for name, value in content.items()}


def _contrast(
    study: "Study",
    pair: tuple[str, str],
    models: Sequence[str | Path],
    classes: tuple[np.ndarray, np.ndarray],
    groups: Groups | None,
) -> tuple[Comparison, Comparison, Power]:
    """Both ways of the contrast of the models that no evaluation is made on, and its power."""
    settings = study.comparison
    n_targets = len(classes[0])
    n_train = len(classes[1])
    masks, *gathered = models
    every = Masks.open(masks, study.key("subsets"), (study.n_subsets, n_train))
    drawn = every.packed[study.evaluation_subsets :]
    a, _ = margins.read(gathered[0], study.key("margins", pair[0]))
    b, _ = margins.read(gathered[1], study.key("margins", pair[1]))
    a = a[study.evaluation_models :]
    b = b[study.evaluation_models :]
    chosen = Masks(drawn, n_train)
    every_direction = contrast(
        chosen,
        a,
        b,
        directions=min(n_targets, n_train, RANK),
        penalty=settings.penalty,
        permutations=settings.permutations,
        seed=study.seed,
        examples=settings.examples,
        classes=classes,
        groups=groups,
    )
    edge = float(every_direction.critical_value[0])
    power = of_models(chosen, a, b, edge, settings.penalty)
    k = settings.directions
    of_a = every_direction.only(favouring(every_direction.asymmetry, k))
    of_b = every_direction.only(favouring(-every_direction.asymmetry, k))
    return of_a, of_b.reversed(), power


def favouring(asymmetry: np.ndarray, k: int) -> np.ndarray:
    """The first `k` directions of the first algorithm; if fewer, those least the other's."""
    order = np.argsort(-np.minimum(asymmetry, 0), kind="stable")
    return order[:k]


def _fields(comparison: Comparison, targets: np.ndarray, examples: int) -> dict[str, np.ndarray]:
    """What is written of one way, by name; see `write`."""
    train_high, train_low = _ends_of_rows(comparison.directions, examples)
    test_high, test_low = _ends_of_rows(comparison.projections.T, examples)
    arrays = comparison.arrays()
    del arrays["a_follows"], arrays["b_follows"]
    return arrays | {
        "directions": comparison.directions.astype(np.float32),
        "projections": comparison.projections.astype(np.float32),
        "significant": comparison.significant,
        "second_follows": comparison.b_follows,
        "train_high": train_high,
        "train_low": train_low,
        "test_high": targets[test_high],
        "test_low": targets[test_low],
    }


def _ends_of_rows(scores: np.ndarray, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """`ends` of each row, int64 [rows x examples]: of the highest scores, and of the lowest."""
    highest = []
    lowest = []
    for row in scores:
        high, low = ends(row, examples)
        highest.append(high)
        lowest.append(low)
    return np.stack(highest), np.stack(lowest)
