"""Values of one column of a table changed, rows float32 [n x columns].

A config names the column; the study tells its place here, and its standard deviation over the
training rows.
"""

import numpy as np


def set_column(rows: np.ndarray, strength: float, *, column: int, value: float) -> np.ndarray:
    """Move a column towards a value: strength 1 sets it, one half goes half the way."""
    changed = rows.copy()
    changed[:, column] += np.float32(min(strength, 1)) * (np.float32(value) - rows[:, column])
    if strength >= 1:
        changed[:, column] = value  # without the rounding of a sum
    return changed


def shift_column(
    rows: np.ndarray, strength: float, *, column: int, sd: float = 1.0, down: bool = False
) -> np.ndarray:
    """Shift a column by `strength` standard deviations, up unless told otherwise."""
    changed = rows.copy()
    changed[:, column] += np.float32(-strength * sd if down else strength * sd)
    return changed
