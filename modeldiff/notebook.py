"""Two algorithms compared in a notebook: from masks and margins, without a study."""

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from modeldiff.comparison import Comparison, contrast, ends
from modeldiff.core.errors import UserError
from modeldiff.report import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLES = 5  # of each direction that the table lists


@dataclass(frozen=True, repr=False)
class ComparedModels:
    """What `compare_models` found. In a notebook it shows itself.

    names: of A and B. comparison: all that is known of the directions, as arrays.
    """

    names: tuple[str, str]
    comparison: Comparison

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
    if len(names) != 2 or names[0] == names[1]:
        raise UserError(f"names: {names!r}; must be two different ones")
    found = contrast(masks, margins_a, margins_b, directions=directions, seed=seed)
    return ComparedModels(names=names, comparison=found)
