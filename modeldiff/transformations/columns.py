"""Values of one column of a table changed, rows float32 [n x columns].

A config names the column; the study tells its place here, and its standard deviation or its
quantiles over the training rows.
"""

from collections.abc import Sequence

import numpy as np


def set_column(rows: np.ndarray, strength: float, *, column: int, value: float) -> np.ndarray:
    """Move a column towards a value: strength 1 sets it, one half goes half the way."""
    return _towards(rows, column, np.float32(value), strength)


def bin_column(
    rows: np.ndarray,
    strength: float,
    *,
    column: int,
    edges: Sequence[float],
    middles: Sequence[float],
) -> np.ndarray:
    """Move a column towards the middle of the bin that its value lies in; strength 1 puts it there.

    edges: between the bins, rising; middles: of the bins, one more.
    """
    bins = np.searchsorted(np.array(edges, np.float32), rows[:, column], side="right")
    return _towards(rows, column, np.array(middles, np.float32)[bins], strength)


def shift_column(
    rows: np.ndarray, strength: float, *, column: int, sd: float = 1.0, down: bool = False
) -> np.ndarray:
    """Shift a column by `strength` standard deviations, up unless told otherwise."""
    changed = rows.copy()
    changed[:, column] += np.float32(-strength * sd if down else strength * sd)
    return changed


def _towards(
    rows: np.ndarray, column: int, values: np.ndarray | np.float32, strength: float
) -> np.ndarray:
    changed = rows.copy()
    changed[:, column] += np.float32(min(strength, 1)) * (values - rows[:, column])
    if strength >= 1:
        changed[:, column] = values  # without the rounding of a sum
    return changed
