"""Values of one column of a table changed, rows float32 [n x columns].

A config names the column; the study tells its place here, and its standard deviation or its
values over the training rows.
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
    values: Sequence[float] | np.ndarray = (0.0, 1.0),
    bins: int = 4,
) -> np.ndarray:
    """Move a column towards the middle of the bin that its value lies in; strength 1 puts it there.

    values: of the column in all training rows, float [n]; spread evenly from 0 to 1 where they are
    not told. Each bin holds equally many; its middle is their median.
    """
    halves = np.quantile(values, np.linspace(0, 1, 2 * bins + 1)).astype(np.float32)
    edges = halves[2:-1:2]
    middles = halves[1::2]
    of_rows = np.searchsorted(edges, rows[:, column], side="right")
    return _towards(rows, column, middles[of_rows], strength)


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
