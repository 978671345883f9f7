"""Other ways to compare models, tried and measured on a few that are not trained.

These cost as much as trained ones, but for surrogate trees, which grow with the number of errors:
predictions are noise here that is right on most images.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls

from modeldiff.baselines.methods import Measure, measures
from modeldiff.baselines.pool import Pool
from modeldiff.baselines.sequence_automata import LIMIT, MODELS, each_model, oracle
from modeldiff.baselines.step import IMAGES
from modeldiff.baselines.surrogate_trees import rules
from modeldiff.dataset import Dataset, Images
from modeldiff.exchange import FEWEST, named
from modeldiff.study import Study, user_code
from modeldiff.training import building
from modeldiff.training.trained_models import TrainedModels

MEASURED = (1, 2, 5)  # models of each of the two recipes
ENOUGH = 1.0  # seconds: where fewer models take so long, no more are measured
PICKY = ("cka", "cca", "dcca")  # compare features, which not all models have
ASKED = 20  # words that a model is asked, for the price of automata
TESTED = 50  # images whose test is measured
RIGHT = 2.5  # how far the right class's logits are above the others', in standard deviations


def run(study: Study, images: Images, classes: tuple[str, ...]) -> list[str]:
    """Compare a model of each by all methods that may not suit them; returns which.

    Raises UserError for one that does not.
    """
    tried = [name for name in study.baselines.methods if name in PICKY or user_code.is_own(name)]
    if "automata" in study.baselines.methods:
        tried.append("automata")
    for pair in study.with_baselines if tried else ():
        pool = _untrained(study, pair, images, classes, "cpu").first(1)
        for method in tried:
            if method == "automata":
                _ask_each(pool)
                continue
            for measure in measures(method).values():
                measure.of(pool)
    return tried if study.with_baselines else []


def _ask_each(pool: Pool) -> None:
    """Ask each model a word, longer than those that it is trained on, as automata do."""
    length = pool.images.images.shape[1]
    for trained in each_model(pool.groups):
        oracle(trained, length)([(0,) * (length + 1)])


def seconds(
    study: Study, data: Dataset, device: str, clock: Callable[[], float]
) -> dict[str, float]:
    """What each method takes for all pairs of algorithms together; none if there are no such."""
    spent: dict[str, float] = {}
    chosen = data.targets[:IMAGES]
    images = Images(data.test.images[chosen], data.test.labels[chosen])
    for pair in study.with_baselines:
        pool = _untrained(study, pair, images, data.classes, device)
        for method in study.baselines.methods:
            spent.setdefault(method, 0.0)
            if method == "automata":
                spent[method] += _of_automata(study, pool, clock)
                continue
            for measure in measures(method).values():
                spent[method] += _measured(study, measure, pool, clock)
        if "jst" in spent:
            spent["jst"] += _timed(partial(rules, pool), clock)
    return spent


def _of_automata(study: Study, pool: Pool, clock: Callable[[], float]) -> float:
    """Seconds at most: that each model is asked `LIMIT` words, one at a time."""
    one_each = pool.first(1)
    _ask_each(one_each)  # warms up
    times = [_timed(partial(_ask_each, one_each), clock) for _ in range(ASKED)]
    return float(np.mean(times)) * LIMIT * min(study.baselines.models, study.full_models, MODELS)


def _measured(study: Study, measure: Measure, pool: Pool, clock: Callable[[], float]) -> float:
    """Seconds of a measure and of its test, on as many models as the study compares."""
    distances = measure.of(pool.first(1))  # what is done once
    counts: list[int] = []
    times: list[float] = []
    for of_each in MEASURED:
        few = pool.first(of_each)
        taken = _timed(partial(measure.of, few), clock)
        counts.append(few.models)
        times.append(taken)
        if taken > ENOUGH:
            break
    of_each = min(study.baselines.models, study.full_models, measure.models)
    growth, _ = nnls(_powers(counts), np.array(times))
    measuring = float(_powers([2 * of_each])[0] @ growth)
    if distances.ndim < 3 or of_each < FEWEST:
        return measuring
    same = np.ones((2 * of_each, 2 * of_each, TESTED), np.float32)
    testing = _timed(partial(named, same, (of_each, of_each), study.seed), clock)
    return measuring + testing * len(pool.images.labels) / TESTED


def _powers(models: list[int]) -> np.ndarray:
    """What the time is made of: once, for each model, for each two: float64 [counts x 3]."""
    return np.vander(np.array(models, float), 3)


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def _untrained(
    study: Study, pair: tuple[str, str], images: Images, classes: tuple[str, ...], device: str
) -> Pool:
    """As many models of each as are measured at most, with noise for logits: see `RIGHT`."""
    sides = []
    for name in pair:
        algorithm = study.algorithms[name]
        shape = images.images.shape[1:]
        one = TrainedModels.untrained(algorithm, shape, len(classes), device)
        again = torch.zeros(max(MEASURED), dtype=torch.int64)  # the first, so many times
        batched = building.batches(algorithm, one.module, images, len(classes), device)
        sides.append(replace(one.only(again), batched=batched))
    pool = Pool.of([sides[0]], [sides[1]], images, classes, "plan", study.seed, *pair)
    noise = np.random.default_rng(study.seed).normal(size=pool.logits.shape)
    noise[:, np.arange(len(images.labels)), images.labels] += RIGHT
    return replace(pool, logits=noise.astype(np.float32))
