"""The study: a config that is checked once, and typed. No torch here."""

from modeldiff.study.study import VERSIONS, Algorithm, Plant, Study, Transformation

__all__ = ["VERSIONS", "Algorithm", "Plant", "Study", "Transformation"]
