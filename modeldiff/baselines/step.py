"""The rule's step: checkpoints of both algorithms in, a table and the images that are named out."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modeldiff.automata import DistinguishingWord
from modeldiff.baselines import metadata
from modeldiff.baselines.methods import measures
from modeldiff.baselines.pool import Pool
from modeldiff.baselines.surrogate_trees import Rules, rules
from modeldiff.core import artifacts, rng
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, Images
from modeldiff.exchange import FEWEST, exchange, named
from modeldiff.proof.effect import holm
from modeldiff.study import Study, stages
from modeldiff.study.symbols import coded
from modeldiff.training.shard import load_full

IMAGES = 1000  # at most, of those that directions are found on
COLUMNS = (
    "method", "measure", "within_a", "within_b", "between", "excess", "low", "high",
    "p_value", "adjusted", "models_a", "models_b", "images",
)  # fmt: skip
RULE_COLUMNS = ("rule", "a", "b", "images", "differ")
ANY_RULE, ANY_IMAGE = "any of these rules", "any image"


def write(
    study: Study,
    pair: tuple[str, str],
    data: Dataset,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Write how far models of the two are apart, and models of one, by each measure: a row each.

    checkpoints: models of both on all training images, of which the first `baselines.models` of
    each are compared. output: .csv of `COLUMNS`, see `Excess`; adjusted: the p-value corrected for
    all rows by Holm's method. The record says how many models were left out, and the seconds of
    each measure. Beside it `named.npz`: `images`, numbers of the test images, int64, of each
    measure that is known by image `<measure>.scores` and `.p_values`, see `Named`, and of automata
    the words on which the recipes differ, see `arrays_of`; and `rules.csv`
    of `RULE_COLUMNS`: rules, see `Difference`, then `ANY_RULE` and `ANY_IMAGE`; none without `jst`.
    Raises UserError if too few models have finite outputs.
    """
    pool = replace(
        _pool(study, pair, data, checkpoints, device),
        known=_known(study, data),
        alphabet=data.alphabet,
    )
    rows: list[dict[str, Any]] = []
    arrays = {"images": _chosen(study, data)}
    seconds = {}
    for method in study.baselines.methods:
        for name, measure in measures(method).items():
            start = time.perf_counter()
            compared = pool.first(measure.models)
            distances = measure.of(compared)
            if distances.ndim == 3:
                found = named(distances, compared.sizes, *pool.key)
                arrays |= {f"{name}.scores": found.scores, f"{name}.p_values": found.p_values}
                distances = distances.mean(2, dtype=np.float64)
            if method == "automata":
                arrays |= arrays_of(compared.automata.words)
            rows.append({"method": method, "measure": name} | _row(distances, compared))
            seconds[name] = round(time.perf_counter() - start, 2)
    adjusted = holm(np.array([row["p_value"] for row in rows]))
    table = pd.DataFrame(rows).assign(adjusted=adjusted)
    key = study.key("baselines", *pair)
    with artifacts.write(stages.beside(output, "named"), key) as file:
        artifacts.write_arrays(file, arrays)
    with artifacts.write(stages.beside(output, "rules"), key) as file:
        said = rules(pool) if "jst" in study.baselines.methods else None
        _rule_table(said).to_csv(file, index=False)
    with artifacts.write(output, key, failed=pool.failed, seconds_of=seconds) as file:
        table[[*COLUMNS]].to_csv(file, index=False)


def arrays_of(found: Sequence[DistinguishingWord]) -> dict[str, np.ndarray]:
    """`words`: their symbols as sequences are kept, uint8 [words x longest]; `accepted`: how many
    models of A and of B accept each, int64 [words x 2]; `word_p_values`: float64 [words].
    """
    words = [one.word for one in found]
    accepted = np.zeros((len(found), 2), np.int64)
    for row, one in zip(accepted, found, strict=True):
        row[:] = one.accepted_a, one.accepted_b
    return {
        "words": coded(words, max(map(len, words), default=0)),
        "accepted": accepted,
        "word_p_values": np.array([one.p_value for one in found], np.float64),
    }


def _rule_table(said: Rules | None) -> pd.DataFrame:
    """The rules, and in the last two rows what is true of all together."""
    rows: list[tuple[Any, ...]] = []
    if said is not None:
        for rule in said.rules:
            rows.append((rule.words, rule.first, rule.second, rule.images, rule.differ))
        rows.append((ANY_RULE, "", "", *said.covered))
        rows.append((ANY_IMAGE, "", "", *said.judged))
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def _row(distances: np.ndarray, pool: Pool) -> dict[str, Any]:
    """What a measure says, but for its names."""
    found = exchange(distances, pool.sizes, *pool.key)
    return {
        "within_a": found.within_a,
        "within_b": found.within_b,
        "between": found.between,
        "excess": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "models_a": pool.sizes[0],
        "models_b": pool.sizes[1],
        "images": len(pool.images.labels),
    }


def _pool(
    study: Study,
    pair: tuple[str, str],
    data: Dataset,
    checkpoints: Sequence[str | Path],
    device: str,
) -> Pool:
    """The models that are compared, and the images."""
    loaded = []
    for name in pair:
        own = artifacts.made_for(checkpoints, study.key("full", name))
        most = study.baselines.models
        loaded.append(load_full(study, name, data, own, device=device, first=most))
    chosen = _chosen(study, data)
    images = Images(data.test.images[chosen], data.test.labels[chosen])
    pool = Pool.of(loaded[0], loaded[1], images, data.classes, "baselines", study.seed, *pair)
    for name, models, failed in zip(pair, pool.sizes, pool.failed, strict=True):
        if models < FEWEST:
            have = f"{models} models trained on all data that did not diverge, of {models + failed}"
            raise UserError(f"algorithms.{name}: has {have}; baselines compare {FEWEST} or more")
    return pool


def _known(study: Study, data: Dataset) -> dict[str, np.ndarray]:
    """What the user knows of the images that are looked at, for surrogate trees."""
    if "jst" not in study.baselines.methods:
        return {}
    known = metadata.of_groups(study.proof.groups, data)
    if study.baselines.metadata:
        known |= metadata.of_table(study.baselines.metadata, len(data.test.labels))
    chosen = _chosen(study, data)
    return {name: values[chosen] for name, values in known.items()}


def _chosen(study: Study, data: Dataset) -> np.ndarray:
    """Numbers of the test images that are looked at, int64, rising."""
    order = rng.permutation(len(data.targets), "baselines", study.seed)
    chosen: np.ndarray = np.sort(data.targets[order[:IMAGES]])
    return chosen
