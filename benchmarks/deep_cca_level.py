"""How often does deep CCA tell two recipes apart that are one?

Pools of ten models whose features differ by chance alone, five of which are called A's; networks
are small, so that hundreds of pools take minutes. Which model of two is the first view follows from
their features, as in `modeldiff.baselines`, or from their places, A's before B's. Exchanges of five
among ten are 252, so that p <= .05 has a probability of 12 in 252, .048, if the test is exact.

    python benchmarks/deep_cca_level.py --pools 200
"""

import argparse
from functools import partial

import numpy as np
import torch
from kept_rows import machine
from proof import wilson

from modeldiff.baselines import deep_cca
from modeldiff.exchange import exchange

MODELS, IMAGES, SIGNAL, DIMENSIONS, COMPONENTS = 10, 80, 4, 8, 4
MEASURES = {
    "CCA, held out": deep_cca._as_they_are,
    "deep CCA": partial(deep_cca.networks, scaled=False),
    "scaled deep CCA": partial(deep_cca.networks, scaled=True),
}


def pool(seed: int) -> np.ndarray:
    """Features of models of one recipe, float32 [models x images x dimensions]."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(IMAGES, SIGNAL))
    axes = random.normal(size=(MODELS, SIGNAL, DIMENSIONS))
    noise = random.normal(size=(MODELS, IMAGES, DIMENSIONS))
    return np.tanh(signal @ axes + noise / 2).astype(np.float32)


def both_ways(features: np.ndarray, train: deep_cca.Train, seed: int) -> np.ndarray:
    """1 - mean correlation where the row's model is the first view, float64 [models x models]."""
    halves = torch.from_numpy(features).tensor_split(2, dim=1)
    distances = np.zeros((MODELS, MODELS))
    for i in range(MODELS):
        for j in range(MODELS):
            if i != j:
                seen, unseen = ((half[i], half[j]) for half in halves)
                found = deep_cca.unseen_correlations(seen, unseen, COMPONENTS, seed, train)
                distances[i, j] = 1 - found.mean()
    return distances


def p_values(features: np.ndarray, distances: np.ndarray, seed: int) -> tuple[float, float]:
    """Of distances whose first view follows from features, and from places."""
    order = sorted(range(MODELS), key=lambda model: features[model].tobytes())
    rank = np.argsort(order)
    found = []
    for first in (rank[:, None] < rank, np.tri(MODELS, k=-1, dtype=bool)):
        chosen = np.where(first, distances, distances.T)
        np.fill_diagonal(chosen, 0)
        found.append(exchange(chosen, (MODELS // 2, MODELS // 2), seed).p_value)
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pools", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    deep_cca.EPOCHS, deep_cca.WARM_UP, deep_cca.HIDDEN = 3, 1, 16
    print(f"p <= .05 of {options.pools} pools; {machine()}")
    for name, train in MEASURES.items():
        found = []
        for seed in range(options.pools):
            features = pool(seed)
            found.append(p_values(features, both_ways(features, train, seed), seed))
        by_features, by_places = (np.array(found) <= 0.05).sum(0)
        said = f"by features {wilson(by_features, len(found))}"
        print(f"{name}: {said}, by places {wilson(by_places, len(found))}", flush=True)


if __name__ == "__main__":
    main()
