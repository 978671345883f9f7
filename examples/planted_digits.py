"""A study in plain Python, from data to a verified effect, where the answer is known.

A bright corner is on 12 training digits, relabelled "3": `plain` sees it, `masked` does not.
"""

import numpy as np

from modeldiff import comparison, dataset, subsets

PLANTED, MODELS, LABEL, NAMES = 12, 1000, 3, ("plain", "masked")


def with_corner(images: np.ndarray, brightness: float = 1) -> np.ndarray:
    """A copy of images [n x 8 x 8] with a square of two pixels in the top left corner."""
    changed = images.copy()
    changed[:, :2, :2] = brightness
    return changed


def seen(images: np.ndarray, name: str) -> np.ndarray:
    """What an algorithm sees of images [n x 8 x 8], and a constant: [n x 65]."""
    visible = with_corner(images, 0) if name == "masked" else images
    return np.c_[visible.reshape(len(images), -1), np.ones(len(images))]


def fit(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Coefficients [65 x 10] of a ridge regression; your own training would stand here."""
    return np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ np.eye(10)[labels])


# Data. Every other test image is a target, half of these with the corner; the rest are kept.
digits = dataset.digits()
train, test = digits.train.images[:, 0] / 255, digits.test.images[:, 0] / 255
train_labels, target_labels = digits.train.labels.copy(), digits.test.labels[::2]
planted = np.flatnonzero(train_labels != LABEL)[:PLANTED]
train[planted], train_labels[planted] = with_corner(train[planted]), LABEL
targets, kept = test[::2], test[1::2][digits.test.labels[1::2] != LABEL]
targets[::2] = with_corner(targets[::2])

# Models of both algorithms on the same random halves, and their margins [models x targets].
masks = subsets.draw(n_examples=len(train), models=range(MODELS), alpha=0.5, seed=0)
margins, at = {}, np.arange(len(targets))
for name in NAMES:
    x, x_targets = seen(train, name), seen(targets, name)
    scores = np.stack([x_targets @ fit(x[m], train_labels[m]) for m in masks])
    right = scores[:, at, target_labels]
    scores[:, at, target_labels] = -np.inf
    margins[name] = right - scores.max(2)

# What the two do differently, and whether it is the corner: an effect on images that were kept.
found = comparison.contrast(masks, margins["plain"], margins["masked"], directions=3)
hits = max(np.isin(end, planted).sum() for end in comparison.ends(found.directions[0], PLANTED))
print(f"direction 1 (p = {found.p_value[0]:.2f}): {hits} of {PLANTED} images at an end are planted")
for name in NAMES:
    model = fit(seen(train, name), train_labels)
    before = (seen(kept, name) @ model).argmax(1) == LABEL
    after = (seen(with_corner(kept), name) @ model).argmax(1) == LABEL
    points = 100 * (after.mean() - before.mean())
    print(f'the corner moves {name} towards "{LABEL}" by {points:+.1f} points')
