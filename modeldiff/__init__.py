"""ModelDiff: what do two learning algorithms do differently?"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("modeldiff")
except PackageNotFoundError:  # used from a checkout that was not installed
    __version__ = "0.0.0"

ROOMS = (
    *("dataset", "subsets", "training", "margins", "datamodels", "comparison", "verification"),
    "automata",
)
__all__ = [
    "ModelDiff",
    "__version__",
    "compare_checkpoints",
    "compare_models",
    "margins_of",
    *ROOMS,
]


def __getattr__(name: str) -> Any:
    """Import a room when it is first used: Snakemake plans a study without loading torch."""
    if name == "ModelDiff":
        return import_module("modeldiff.published").ModelDiff
    if name in ("compare_models", "margins_of"):
        return getattr(import_module("modeldiff.notebook"), name)
    if name == "compare_checkpoints":
        return import_module("modeldiff.checkpoints").compare_checkpoints
    if name in ROOMS:
        return import_module(f"modeldiff.{name}")
    raise AttributeError(f"module 'modeldiff' has no attribute {name!r}")
