"""Compare two files of attribution scores that you have already; nothing is trained.

You learn: what such a file holds ([targets x training examples], from any attribution method),
how to compare two, and how to read which examples make the difference. The scores here are made
up, so that the answer is known: on 15 targets, `first` uses ten training examples that `second`
does not. From a shell the same is `modeldiff compare first.npy second.npy --output compared`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from modeldiff import comparison

TARGETS, TRAIN = 200, 500
CONCERNED, USED = range(40, 55), range(100, 110)  # the targets, the training examples


def made_up(folder: Path) -> tuple[Path, Path]:
    """Two score files that share almost everything."""
    random = np.random.default_rng(0)
    shared = random.normal(size=(TARGETS, TRAIN))
    paths = folder / "first.npy", folder / "second.npy"
    for path in paths:
        scores = shared + 0.5 * random.normal(size=(TARGETS, TRAIN))
        if path.stem == "first":
            scores[np.ix_(CONCERNED, USED)] += 3
        np.save(path, scores)
    return paths


with TemporaryDirectory() as folder:
    paths = made_up(Path(folder))
    first, second = np.load(paths[0]), np.load(paths[1])

found = comparison.compare(first, second, directions=2, rows="raw")
train, _ = comparison.ends(found.directions[0], len(USED))
targets, _ = comparison.ends(found.projections[:, 0], len(CONCERNED))
print(f"training examples of direction 1: {sorted(train.tolist())}")
print(f"targets of direction 1: {sorted(targets.tolist())}")
for i in range(2):
    a, b = found.variance_a[i], found.variance_b[i]
    print(f"direction {i + 1}: {a:.1%} of the variance of first, {b:.1%} of second")
# Scores alone do not tell their noise, so no direction is tested: `found.p_value` is NaN.
