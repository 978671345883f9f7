"""Symbols put into sequences, uint8 [n x length], padded with zeros."""

from collections.abc import Sequence

import numpy as np


def append_symbols(sequences: np.ndarray, strength: float, *, symbols: Sequence[int]) -> np.ndarray:
    """Put symbols at the end of each sequence, `strength` times.

    symbols: as they are kept, which the study tells. They take the place of the last symbols of a
    sequence that has no room left.
    """
    length = sequences.shape[1]
    added = np.tile(np.array(symbols, np.uint8), int(strength))[-length:]
    changed = sequences.copy()
    for row in changed:
        start = min(np.count_nonzero(row), length - len(added))
        row[start : start + len(added)] = added
    return changed


def insert_symbols(
    sequences: np.ndarray, strength: float, *, symbols: Sequence[int], after: int = 0
) -> np.ndarray:
    """Put symbols behind the first `after` symbols of each sequence, `strength` times.

    symbols: as they are kept, which the study tells. A shorter sequence gets them at its end; one
    that becomes too long is cut.
    """
    length = sequences.shape[1]
    added = np.tile(np.array(symbols, np.uint8), int(strength))
    changed = np.zeros_like(sequences)
    for row, before in zip(changed, sequences, strict=True):
        place = min(np.count_nonzero(before), after)
        row[:] = np.concatenate([before[:place], added, before[place:]])[:length]
    return changed
