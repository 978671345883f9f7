"""A contrast from plain arrays: masks and margins, wherever your models were trained.

You learn: what `contrast` takes, how it says that a difference is more than chance, and that it
finds none between two runs of one algorithm. Margins are made up, so that the answer is known: on
ten targets, A uses six training examples that B does not.
"""

import numpy as np

from modeldiff import comparison, subsets

MODELS, TRAIN, TARGETS = 600, 100, 60
CONCERNED, USED = slice(20, 30), [3, 14, 15, 65, 92, 35]

masks = subsets.draw(TRAIN, range(MODELS), alpha=0.5, seed=0)
random = np.random.default_rng(0)
shared = random.normal(size=(TARGETS, TRAIN))  # how both use the training examples
only_a = shared.copy()
only_a[CONCERNED, USED] += 2


def margins(weights: np.ndarray) -> np.ndarray:
    """Margins [models x targets] of models with these datamodels, and training noise."""
    return masks @ weights.T + 2 * random.normal(size=(MODELS, TARGETS))


def report(name: str, a: np.ndarray, b: np.ndarray) -> None:
    """Print what stands out between two algorithms' margins on the same masks."""
    found = comparison.contrast(masks, a, b, directions=3)
    alike = found.agreement
    print(f"{name}: agreement {alike.value:.2f} [{alike.low:.2f}, {alike.high:.2f}]")
    if not found.significant.any():
        print(f"{name}: no difference found (p = {found.p_value[0]:.2f})")
    for i in np.flatnonzero(found.significant):
        train, _ = comparison.ends(found.directions[i], len(USED))
        p = found.p_value[i]
        print(
            f"{name}: direction {i + 1} (p = {p:.2f}), training examples {sorted(train.tolist())}"
        )


b = margins(shared)
report("A and B", margins(only_a), b)
report("B and B again", margins(shared), b)
