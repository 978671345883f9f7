"""The study: a config that is checked once, and typed. No torch here."""

from modeldiff.study.study import VERSIONS, Algorithm, Plant, Study, Transformation, digest

__all__ = ["VERSIONS", "Algorithm", "Plant", "Study", "Transformation", "digest"]
