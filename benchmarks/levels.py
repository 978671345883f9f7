"""How often does a contrast report a difference where there is none?

Simulations of two algorithms that use the training images alike and differ in nothing but noise, of
many shapes. Reported: a direction at level .05; "the two use the training images differently" (the
agreement's p-value at level .01, and its interval below 1); and whether that interval has 1 in it.

python benchmarks/levels.py --runs 900
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from modeldiff import subsets
from modeldiff.comparison import DIRECTION_LEVEL, contrast
from modeldiff.comparison.agreement import AGREEMENT_LEVEL

CLUSTER = 4  # training images; where a subset misses all of them, a model may be noisier


@dataclass(frozen=True)
class Scenario:
    """Margins = masks @ weights + noise, the weights those of both algorithms.

    shape: of the noise's distribution. shared: noises that all targets share; own: size of each
    target's own. noise_a, noise_b: size of all noise of an algorithm. missed_a, missed_b: what is
    added to that, in multiples of it, for subsets that miss the cluster. factor: B's margins are
    multiplied by it. alpha: share of the examples in a subset. repeats: models of each subset.
    limit: margins of both are clipped at plus and minus this many of their standard deviations.
    """

    models: int
    examples: int
    targets: int = 30
    shape: str = "normal"
    shared: int = 3
    own: float = 1.0
    noise_a: float = 3.0
    noise_b: float = 3.0
    missed_a: float = 0.0
    missed_b: float = 0.0
    signal: float = 1.0
    factor: float = 1.0
    alpha: float = 0.5
    repeats: int = 1
    limit: float = np.inf


SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "heavy tails": lambda rng, shape: rng.standard_t(3, size=shape) / 3**0.5,
    "lognormal": lambda rng, shape: (np.exp(rng.normal(size=shape)) - np.exp(0.5)) / 2.16,
}
SCENARIOS = {
    "60 models, 60 examples": Scenario(60, 60),
    "60 models, 60 examples, one noise that all targets share": Scenario(
        60, 60, targets=60, shared=1, own=0.1
    ),
    "200 models, 60 examples": Scenario(200, 60),
    "300 models, 300 examples, one noise that all targets share": Scenario(
        300, 300, shared=1, own=0.1
    ),
    "A noisier (x 5) where its subset misses a cluster": Scenario(200, 60, missed_a=4.0),
    "the same, exponential noise": Scenario(200, 60, shape="exponential", missed_a=4.0),
    "both noisier, exponential noise": Scenario(
        200, 60, shape="exponential", missed_a=4.0, missed_b=4.0
    ),
    "A noisier (x 61), lognormal noise": Scenario(200, 60, shape="lognormal", missed_a=60.0),
    "noise of B 10 times that of A": Scenario(200, 60, noise_b=30.0),
    "noise of B 30 times that of A": Scenario(200, 60, noise_b=90.0),
    "weak signal, A noisier (x 5)": Scenario(200, 60, missed_a=4.0, signal=0.3),
    "margins of B twice as large": Scenario(200, 60, factor=2.0),
    "heavy tails (Student's t, 3 degrees of freedom)": Scenario(200, 60, shape="heavy tails"),
    "lognormal noise": Scenario(200, 60, shape="lognormal"),
    "subsets of a tenth": Scenario(200, 60, alpha=0.1),
    "subsets of nine tenths": Scenario(200, 60, alpha=0.9),
    "two models of each subset": Scenario(200, 60, repeats=2),
    "margins clipped at one standard deviation": Scenario(200, 60, limit=1.0),
    "60 models, 300 targets": Scenario(60, 60, targets=300),
    "1,000 models, 60 examples": Scenario(1000, 60),
}


def simulated(scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks [models x examples] and margins of both algorithms [models x targets]."""
    rng = np.random.default_rng((11, seed))
    draw = SHAPES[scenario.shape]
    models, targets = scenario.models, scenario.targets
    drawn = subsets.draw(scenario.examples, range(models // scenario.repeats), scenario.alpha, seed)
    masks = np.repeat(drawn, scenario.repeats, axis=0)
    missed = (masks[:, :CLUSTER].sum(1) == 0)[:, None]
    weights = scenario.signal * rng.normal(size=(scenario.examples, targets))
    mixing = rng.normal(size=(scenario.shared, targets))

    def margins(size: float, more: float) -> np.ndarray:
        noise = scenario.own * draw(rng, (models, targets))
        noise += draw(rng, (models, scenario.shared)) @ mixing
        margins = masks @ weights + size * noise * (1 + more * missed)
        ends = margins.mean(0) + scenario.limit * np.outer([-1, 1], margins.std(0))
        return margins.clip(*ends)

    a = margins(scenario.noise_a, scenario.missed_a)
    b = margins(scenario.noise_b, scenario.missed_b)
    return masks, a, scenario.factor * b


def share(hits: int, n: int) -> str:
    """A share in percent with its 95% Wilson interval."""
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits / n:.1%} [{interval.low * 100:.1f}, {interval.high * 100:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=900)
    parser.add_argument("--only", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--penalty", type=float, default=2.0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    columns = ["nothing differs but noise", "a direction, level .05", "agreement, p <= .01"]
    columns += ["said to differ", "1 in the interval, of those known"]
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|")
    for name in options.only:
        scenario = SCENARIOS[name]
        directions = p_small = differ = inside = known = 0
        for seed in range(options.runs):
            data = simulated(scenario, seed)
            found = contrast(*data, directions=1, penalty=options.penalty, seed=seed)
            alike = found.agreement
            directions += bool(found.p_value[0] <= DIRECTION_LEVEL)
            p_small += bool(alike.p_value <= AGREEMENT_LEVEL)
            differ += alike.differ
            known += bool(np.isfinite(alike.value))
            inside += bool(alike.low <= 1 <= alike.high)
        counts = [share(n, options.runs) for n in (directions, p_small, differ)]
        print(f"| {name} | {' | '.join(counts)} | {inside} of {known} |", flush=True)


if __name__ == "__main__":
    main()
