"""How sums over models are divided: into blocks that fit in memory, and by which kernels."""

from collections.abc import Iterator
from importlib.util import find_spec

import torch

LANES = 8  # targets whose sums lie side by side while they are added up
BLOCK_BYTES = 1 << 26  # of float32 masks unpacked at a time


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Ranges of rows that fill about `BLOCK_BYTES` as float32."""
    size = max(64, BLOCK_BYTES // (4 * max(n_columns, 1)))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def compiled(device: torch.device) -> bool:
    """Whether the kernels that Numba compiles serve this device; matrix products serve any."""
    return device.type == "cpu" and find_spec("numba") is not None
