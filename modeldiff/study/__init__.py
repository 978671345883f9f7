"""The study: a config that is checked once, and typed. No torch here."""

from modeldiff.study.keys import digest
from modeldiff.study.stages import VERSIONS
from modeldiff.study.study import Algorithm, Plant, Study, Transformation

__all__ = ["VERSIONS", "Algorithm", "Plant", "Study", "Transformation", "digest"]
