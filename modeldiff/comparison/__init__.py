"""How two algorithms differ, and how certain that is.

`compare` is the published method (residual datamodels, from weights alone); `contrast` works on
the margins of models that share their subsets, and tests what it finds.
"""

from modeldiff.comparison.agreement import Agreement
from modeldiff.comparison.class_map import ClassMap
from modeldiff.comparison.contrast import contrast
from modeldiff.comparison.residual import ROWS, compare, residual, scale, variance_along
from modeldiff.comparison.result import DIRECTION_LEVEL, Comparison, ends
from modeldiff.comparison.step import weights, write
from modeldiff.study.stages import WAYS

__all__ = [
    "DIRECTION_LEVEL",
    "ROWS",
    "WAYS",
    "Agreement",
    "ClassMap",
    "Comparison",
    "compare",
    "contrast",
    "ends",
    "residual",
    "scale",
    "variance_along",
    "weights",
    "write",
]
