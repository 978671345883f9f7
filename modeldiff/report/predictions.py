"""What models predict of each test image, and where two algorithms disagree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import fisher_exact

from modeldiff.verification.effects import half_width

LEVEL = 0.05  # of all test images of a pair together


@dataclass(frozen=True)
class Predictions:
    """What an algorithm's models say of the test images.

    accuracy: float64 [models], share of test images that each model is right on; NaN if it failed.
    right: float64 [test images], share of the models that are right; NaN where that is not known.
    predicted: int32 [models x test images], the class that each model predicts, of models trained
    on all training images. None where there are only margins, of models trained on subsets.
    """

    accuracy: np.ndarray
    right: np.ndarray
    predicted: np.ndarray | None

    @property
    def models(self) -> int:
        """Models that did not fail."""
        return int(np.isfinite(self.accuracy).sum())

    def votes(self, image: int) -> list[tuple[int, int]]:
        """Classes and how many models predict them of a test image, the most frequent first.

        Empty where it is not known which classes are predicted.
        """
        if self.predicted is None:
            return []
        classes, counts = np.unique(self.predicted[:, image], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return list(zip(classes[order].tolist(), counts[order].tolist(), strict=True))


@dataclass(frozen=True)
class OfClass:
    """Mean shares of models that are right, over the test images of a class, under A and B."""

    name: str
    images: int
    a: float
    b: float


@dataclass(frozen=True)
class AccuracyGap:
    """Accuracy of A less that of B, with its 95% interval over models and images."""

    value: float
    low: float
    high: float

    @property
    def differ(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def of_classes(predicted: np.ndarray, labels: np.ndarray) -> Predictions:
    """From the classes that models predict, int32 [models x test images]."""
    right = predicted == labels
    return Predictions(accuracy=right.mean(1), right=right.mean(0), predicted=predicted)


def of_margins(
    accuracy: np.ndarray, right: np.ndarray, targets: np.ndarray, test_images: int
) -> Predictions:
    """From margins above 0: shares of targets [models], and of models [targets]."""
    of_images = np.full(test_images, np.nan)
    of_images[targets] = right
    return Predictions(accuracy=accuracy, right=of_images, predicted=None)


def accuracy_gap(a: Predictions, b: Predictions) -> AccuracyGap:
    """How much more accurate A is than B."""
    of_a = a.accuracy[np.isfinite(a.accuracy)]
    of_b = b.accuracy[np.isfinite(b.accuracy)]
    known = np.isfinite(a.right) & np.isfinite(b.right)
    of_images = (a.right - b.right)[known]
    value = float(of_a.mean() - of_b.mean())
    width = float(half_width([of_a, of_b, of_images], 0.05))
    return AccuracyGap(value, max(value - width, -1.0), min(value + width, 1.0))


def compared(
    a: Predictions,
    b: Predictions,
    labels: np.ndarray,
    classes: tuple[str, ...],
    planted: np.ndarray,
) -> dict[str, Any]:
    """What a page says of the predictions of two.

    labels: int64 [test images]; planted: bool [test images].
    """
    beyond = disagreed(a, b)
    return {
        "gap": accuracy_gap(a, b),
        "accuracy_a": float(np.nanmean(a.accuracy)),
        "accuracy_b": float(np.nanmean(b.accuracy)),
        "models_a": a.models,
        "models_b": b.models,
        "classes": by_class(a, b, labels, classes),
        "planted": of_images(a, b, "planted", planted),
        "others": of_images(a, b, "others", ~planted),
        "compared": int((np.isfinite(a.right) & np.isfinite(b.right)).sum()),
        "disagreed": len(beyond),
        "disagreed_not_planted": int((~planted[beyond]).sum()),
    }


def by_class(
    a: Predictions, b: Predictions, labels: np.ndarray, classes: tuple[str, ...]
) -> list[OfClass]:
    """Accuracy of each class that has test images with known predictions."""
    rows = []
    for label, name in enumerate(classes):
        row = of_images(a, b, name, labels == label)
        if row is not None:
            rows.append(row)
    return rows


def of_images(a: Predictions, b: Predictions, name: str, chosen: np.ndarray) -> OfClass | None:
    """The same of any test images, bool [test images]; None where nothing is known of them."""
    known = chosen & np.isfinite(a.right) & np.isfinite(b.right)
    if not known.any():
        return None
    right_a = float(a.right[known].mean())
    right_b = float(b.right[known].mean())
    return OfClass(name=name, images=int(known.sum()), a=right_a, b=right_b)


def disagreed(a: Predictions, b: Predictions) -> np.ndarray:
    """Test images on which more models of one algorithm are right than chance gives, int64.

    The largest difference first. By Fisher's exact test of the models that are right and wrong,
    corrected for all images (Bonferroni).
    """
    known = np.flatnonzero(np.isfinite(a.right) & np.isfinite(b.right))
    if not len(known):
        return known
    right_a = np.rint(a.right[known] * a.models).astype(int)
    right_b = np.rint(b.right[known] * b.models).astype(int)
    # Few combinations of counts are different ones, and the test is slow.
    counts, places = np.unique(np.stack([right_a, right_b], 1), axis=0, return_inverse=True)
    p_values = np.empty(len(counts))
    for row, (n_a, n_b) in enumerate(counts):
        table = [[n_a, a.models - n_a], [n_b, b.models - n_b]]
        p_values[row] = fisher_exact(table).pvalue
    beyond = known[p_values[places] <= LEVEL / len(known)]
    gaps = np.abs(a.right - b.right)[beyond]
    return beyond[np.argsort(-gaps, kind="stable")]


@dataclass(frozen=True)
class Disagreement:
    """How often two models predict different classes: mean over some images and pairs of models.

    between: a model of A and one of B. within_a, within_b: two models of one recipe; NaN if there
    is one. excess: between, less the mean of the two within; low, high: its 95% interval over
    images, for these models. All three are NaN where there is one model of either.
    """

    between: float
    within_a: float
    within_b: float
    excess: float
    low: float
    high: float

    @property
    def beyond_seeds(self) -> bool:
        """Whether two recipes surely disagree more than two models of one."""
        return self.low > 0


def disagreement(a: Predictions, b: Predictions, chosen: np.ndarray) -> Disagreement:
    """Of chosen test images, bool [test images]; both know the classes that models predict."""
    between, within_a, within_b = _apart(a, b)
    excess = (between - (within_a + within_b) / 2)[chosen]
    half = float(half_width([excess], 0.05))
    return Disagreement(
        between=float(between[chosen].mean()),
        within_a=float(within_a[chosen].mean()),
        within_b=float(within_b[chosen].mean()),
        excess=float(excess.mean()),
        low=float(excess.mean()) - half,
        high=float(excess.mean()) + half,
    )


def other_answers(a: Predictions, b: Predictions) -> np.ndarray:
    """Test images of which most models of A predict another class than most of B, int64.

    Those first on which the most pairs of models differ.
    """
    assert a.predicted is not None
    differ = []
    for image in range(a.predicted.shape[1]):
        if a.votes(image)[0][0] != b.votes(image)[0][0]:
            differ.append(image)
    between, _, _ = _apart(a, b)
    images = np.array(differ, np.int64)
    return images[np.argsort(-between[images], kind="stable")]


def _apart(a: Predictions, b: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of pairs of models that differ on each image: across, of A, of B, float64 [images]."""
    assert a.predicted is not None
    assert b.predicted is not None
    alike = np.zeros((3, a.predicted.shape[1]))
    for label in range(int(max(a.predicted.max(), b.predicted.max())) + 1):
        of_a = (a.predicted == label).sum(0)
        of_b = (b.predicted == label).sum(0)
        alike += [of_a * of_b, of_a * (of_a - 1), of_b * (of_b - 1)]
    n_a = len(a.predicted)
    n_b = len(b.predicted)
    pairs = np.array([n_a * n_b, n_a * (n_a - 1), n_b * (n_b - 1)], float)
    pairs[pairs == 0] = np.nan
    between, within_a, within_b = 1 - alike / pairs[:, None]
    return between, within_a, within_b
