"""The study: a config that is checked once, and typed. No torch here."""

from modeldiff.study.entries import Algorithm, Plant, Transformation
from modeldiff.study.keys import digest
from modeldiff.study.stages import VERSIONS
from modeldiff.study.study import Study

__all__ = ["VERSIONS", "Algorithm", "Plant", "Study", "Transformation", "digest"]
