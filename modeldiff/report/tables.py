"""Tables of results as they are read back: which of their columns are numbers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from modeldiff.core import artifacts

NUMBERS = ("strength", "effect", "effect_a", "effect_b", "difference", "low", "high")
COUNTS = ("n_models", "n_images", "direction", "rank", "attempts", "models_a", "models_b", "images")


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table of effects or candidates; CorruptArtifact if it is something else."""
    types = dict.fromkeys(NUMBERS, float) | dict.fromkeys(COUNTS, int)
    with artifacts.reading(path, f"table of {path.stem}"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)  # a class may be called "NA"
        table = table[[*columns]]
        typed = [name for name in columns if name in types]
        return table.astype({name: types[name] for name in typed})
