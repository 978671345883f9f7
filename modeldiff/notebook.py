"""Two algorithms compared in a notebook: from masks and margins, without a study."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from modeldiff.comparison import Comparison, contrast, ends
from modeldiff.core import arguments, artifacts
from modeldiff.core.errors import UserError, described, shown
from modeldiff.dataset import Dataset
from modeldiff.dataset.arrays import labels_of, of_arrays
from modeldiff.report import comparison_page, figures
from modeldiff.report.predictions import Predictions, of_margins
from modeldiff.report.results import shares_above
from modeldiff.training.shard import margin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLES = 5  # of each direction that the table lists


@dataclass(frozen=True, repr=False)
class ComparedModels:
    """What `compare_models` found. In a notebook it shows itself.

    names: of A and B. comparison: all that is known of the directions, as arrays. predictions: of
    A and of B, how often their models' margins are above 0.
    """

    names: tuple[str, str]
    comparison: Comparison
    predictions: tuple[Predictions, Predictions]

    def __repr__(self) -> str:
        """One line: how many directions stand out from chance, and how alike the two are."""
        found = self.comparison
        a, b = self.names
        said = f"{a} - {b}: {found.significant.sum()} of {len(found.directions)} directions "
        said += "stand out from chance"
        if found.agreement is None:
            return said
        whole = found.agreement
        verdict = "they differ" if whole.differ else "no difference shown"
        interval = f"{whole.value:.2f} [{whole.low:.2f}, {whole.high:.2f}]"
        return f"{said}; agreement {interval}, {verdict} (p = {whole.p_value:.2g})"

    def _repr_html_(self) -> str:
        """The same, with the table of directions."""
        table = self.to_frame().to_html(index=False, float_format="{:.3g}".format)
        return f"<p>{html.escape(repr(self))}</p>{table}"

    def to_frame(self) -> pd.DataFrame:
        """A row for each direction, strongest first.

        Columns: direction (from 1), follower (the algorithm whose weights reach further along it),
        p_value, significant, explained (share of what differs), reach_a and reach_b (units of the
        margin), train_examples and targets (the strongest, lists of int).
        """
        found = self.comparison
        rows = []
        for i, direction in enumerate(found.directions):
            train, _ = ends(direction, EXAMPLES)
            targets, _ = ends(found.projections[:, i], EXAMPLES)
            row = {
                "direction": i + 1,
                "follower": self.names[0 if found.asymmetry[i] >= 0 else 1],
                "p_value": found.p_value[i],
                "significant": bool(found.significant[i]),
                "explained": found.explained[i],
                "reach_a": found.reach_a[i, 0],
                "reach_b": found.reach_b[i, 0],
                "train_examples": train.tolist(),
                "targets": targets.tolist(),
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> "Axes":
        """How far the weights of both reach along each direction; faint if chance explains it."""
        found = self.comparison
        a, b = self.names
        return figures.reaches(found.reach_a[:, 0], found.reach_b[:, 0], found.significant, a, b)

    def report(
        self,
        path: str | Path,
        images: tuple[Any, Any] | None = None,
        labels: tuple[Any, Any] | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Write one self-contained HTML page, with images of the examples if they are given.

        images: (training images, target images), uint8 or floats from 0 to 1, [n x height x width]
        or [n x channels x height x width], in the order of the masks' and margins' columns. labels:
        (of the training images, of the targets), whole numbers [n]. classes: their names.
        Raises UserError for images or labels that are not as many as the masks and margins have.
        """
        data = self._data(images, labels, classes)
        page = comparison_page.of_margins(self.names, self.comparison, self.predictions, data)
        with artifacts.atomic_write(path) as file:
            file.write(comparison_page.render(page).encode())

    def _data(
        self,
        images: tuple[Any, Any] | None,
        labels: tuple[Any, Any] | None,
        classes: Sequence[str] | None,
    ) -> Dataset | None:
        """What is shown of the examples, checked; None if there are no images."""
        if images is None and labels is None and classes is None:
            return None
        train, targets = _pair("images", images)
        of_train, of_targets = _pair("labels", labels)
        data = of_arrays((train, of_train), (targets, of_targets), classes)
        found = self.comparison
        columns = (found.directions.shape[1], len(found.projections))
        given = (len(data.train.labels), len(data.test.labels))
        if given != columns:
            came = f"images: are {given[0]} and {given[1]}"
            wanted = f"{columns[0]} and {columns[1]}, columns of the masks and of the margins"
            raise UserError(f"{came}; must be {wanted}")
        return data


def compare_models(
    masks: Any,
    margins_a: np.ndarray,
    margins_b: np.ndarray,
    *,
    names: tuple[str, str] = ("A", "B"),
    directions: int = 10,
    seed: int = 0,
) -> ComparedModels:
    """Compare two algorithms by models that were trained on the same subsets.

    masks: bool [models x training examples], what each model was trained on. margins_a, margins_b:
    float [models x targets], e.g. log-odds of the right class, of the models of either algorithm;
    a row that is not finite is a model that failed. names: what A and B are called.
    Raises UserError for shapes that do not match, too few models, or too many directions.
    The method is `comparison.contrast`, tested by random exchanges of the two algorithms' models.
    """
    check_names(names)
    found = contrast(masks, margins_a, margins_b, directions=directions, seed=seed)
    predictions = (_predictions(margins_a), _predictions(margins_b))
    return ComparedModels(names=names, comparison=found, predictions=predictions)


def margins_of(logits: Any, labels: Any, *, kind: str = "log_odds") -> np.ndarray:
    """Margins of the right class, float32 [models x targets], as `compare_models` takes them.

    logits: float [models x targets x classes], or [targets x classes] of one model: a row of
    margins, [targets], then. Arrays of numpy or tensors. labels: whole numbers [targets].
    kind: "log_odds", the logit of the right class less the log-sum-exp of the others, for a
    module's logits or logarithms of probabilities; "max", less the largest of the others, for
    scores of any other kind (a margin above 0 is then a right prediction).
    Raises UserError for shapes that do not match.
    """
    arguments.one_of("kind", kind, ("log_odds", "max"))
    scores = arguments.array("logits", logits)
    if scores.ndim not in (2, 3) or scores.dtype.kind not in "fiu" or 0 in scores.shape:
        wanted = "numbers [targets x classes] or [models x targets x classes]"
        raise UserError(f"logits: are {described(logits)}; must be {wanted}")
    classes = labels_of("labels", labels, scores.shape[-2])
    if classes.max() >= scores.shape[-1] or scores.shape[-1] < 2:
        came = f"labels: are up to {classes.max()}, and logits of {scores.shape[-1]} classes"
        raise UserError(f"{came}; must be 0 to {scores.shape[-1] - 1}, of 2 classes or more")
    whole = torch.from_numpy(scores.astype(np.float32)).reshape(-1, *scores.shape[-2:])
    margins: np.ndarray = margin(whole, torch.from_numpy(classes), kind).numpy()
    return margins if scores.ndim == 3 else margins[0]


def _pair(name: str, given: Any) -> tuple[Any, Any]:
    """What is given of the training examples, and of the targets."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        wanted = "must be a pair: (of the training examples, of the targets)"
        raise UserError(f"{name}: is {described(given)}; {wanted}")
    return given[0], given[1]


def check_names(names: Any) -> None:
    """UserError unless these are two names for what is compared."""
    words = isinstance(names, tuple | list) and all(isinstance(name, str) for name in names)
    if not words or len(names) != 2 or names[0] == names[1]:
        raise UserError(f"names: are {shown(names)}; must be two different ones")


def _predictions(margins: np.ndarray) -> Predictions:
    """How often models' margins are above 0."""
    accuracy, above = shares_above(margins)
    targets = margins.shape[1]
    return of_margins(accuracy, above, np.arange(targets), targets)
