"""The comparison of one pair of a study: weights and margins in, one file out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff import margins
from modeldiff.comparison.contrast import contrast
from modeldiff.comparison.power import Power, of_models
from modeldiff.comparison.residual import compare
from modeldiff.comparison.result import WAYS, Comparison, ends
from modeldiff.comparison.significance import RANK
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.datamodels import step as datamodels
from modeldiff.subsets import Masks

if TYPE_CHECKING:
    from modeldiff.study import Study


def weights(study: "Study", name: str, path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """What an algorithm is compared by, its datamodels' weights or scores from elsewhere: float32
    of `shape`, [targets x train examples]; path: `Study.weights` of it, in the study's folder.
    """
    if name in study.scores:
        found = artifacts.array(path, study.key("scores", name), kind="f", dimensions=2)
    else:
        found = datamodels.read(path, study.key("datamodels", name)).weights
    if found.shape != shape:
        wanted = f"{list(shape)}, [targets x training examples]"
        raise CorruptArtifact(f"{path}: holds {list(found.shape)}, not {wanted}", artifact=path)
    return found


def write(
    study: "Study",
    pair: tuple[str, str],
    weights: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    output: str | Path,
    models: Sequence[str | Path] = (),
) -> None:
    """Compare a pair both ways and write directions and subpopulations.

    weights: of the pair's two algorithms, [n_targets x n_train]; targets: test example of each row.
    models: what a contrast reads: masks of all subsets, bit-packed, and the margins of all models
    of either algorithm.
    output: .npz with, for each way ("a-minus-b", "b-minus-a"), `<way>.<field of Comparison>`
    (variances, their intervals and reaches always by algorithm: `variance_a` is a's),
    `<way>.significant`, bool [directions], `<way>.second_follows`, how far the way's second
    algorithm goes for the first (`b_follows`), and the examples at both ends of each direction,
    int64 [directions x examples], most extreme first: `train_high`, `train_low`, `test_high`,
    `test_low` (indices of training and test examples). What is not known is NaN: intervals,
    p_value, critical_value, stability and overlap with the method `residual`. A contrast adds
    `power.<field of Power>` and `agreement.<field of Agreement>`.

    A contrast gives one set of directions for both ways. Each belongs to the way whose first
    algorithm's weights extend further along it (`asymmetry`); if those are fewer than were asked
    for, the least other's fill up. p-values are those among all directions.
    """
    config = study.config["comparison"]
    if config["method"] == "contrast":
        found, could = _contrast(study, pair, models, weights[0].shape)
    else:
        could = None
        settings = {k: config[k] for k in ("directions", "rows")}
        found = compare(*weights, **settings), compare(*weights[::-1], **settings)
    whole = {"power": could, "agreement": found[0].agreement}
    arrays = {
        f"{name}.{k}": np.array(v)
        for name, one in whole.items()
        if one
        for k, v in asdict(one).items()
    }
    for way, one in zip(WAYS, found, strict=True):
        arrays |= {f"{way}.{k}": v for k, v in _fields(one, targets, config["examples"]).items()}
        if way != WAYS[0]:
            for name in ("variance", "interval", "reach"):
                of_a, of_b = getattr(one, f"{name}_b"), getattr(one, f"{name}_a")
                arrays |= {f"{way}.{name}_a": of_a, f"{way}.{name}_b": of_b}
    with artifacts.write(output, study.key("comparison", *pair)) as file:
        artifacts.write_arrays(file, arrays)


def _contrast(
    study: "Study",
    pair: tuple[str, str],
    models: Sequence[str | Path],
    shape: tuple[int, ...],
) -> tuple[tuple[Comparison, Comparison], Power]:
    """Both ways of the contrast of the models that no evaluation is made on, and its power."""
    config = study.config["comparison"]
    n_targets, n_train = shape
    masks, *gathered = models
    every = Masks.open(masks, study.key("subsets"), (study.n_subsets, n_train))
    drawn = every.packed[study.evaluation_subsets :]
    a, _ = margins.read(gathered[0], study.key("margins", pair[0]))
    b, _ = margins.read(gathered[1], study.key("margins", pair[1]))
    a = a[study.evaluation_models :]
    b = b[study.evaluation_models :]
    chosen = Masks(drawn, n_train)
    found = contrast(
        chosen,
        a,
        b,
        directions=min(n_targets, n_train, RANK),
        penalty=config["penalty"],
        permutations=config["permutations"],
        seed=study.seed,
        examples=config["examples"],
    )
    could = of_models(chosen, a, b, float(found.critical_value[0]), config["penalty"])
    k = config["directions"]
    of_a = found.only(favouring(found.asymmetry, k))
    of_b = found.only(favouring(-found.asymmetry, k))
    return (of_a, of_b.reversed()), could


def favouring(asymmetry: np.ndarray, k: int) -> np.ndarray:
    """The first `k` directions of the first algorithm; if fewer, those least the other's."""
    order = np.argsort(-np.minimum(asymmetry, 0), kind="stable")
    return order[:k]


def _fields(found: Comparison, targets: np.ndarray, examples: int) -> dict[str, np.ndarray]:
    test = [ends(scores, examples) for scores in found.projections.T]
    train = [ends(scores, examples) for scores in found.directions]
    known = found.arrays()
    del known["a_follows"], known["b_follows"]
    return known | {
        "directions": found.directions.astype(np.float32),
        "projections": found.projections.astype(np.float32),
        "significant": found.significant,
        "second_follows": found.b_follows,
        "train_high": np.stack([high for high, _ in train]),
        "train_low": np.stack([low for _, low in train]),
        "test_high": targets[np.stack([high for high, _ in test])],
        "test_low": targets[np.stack([low for _, low in test])],
    }
