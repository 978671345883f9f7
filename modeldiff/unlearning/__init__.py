"""How much of a forgotten group's weight is left, by models that never saw it."""

from modeldiff.unlearning.left import Left, left

__all__ = ["Left", "left"]
