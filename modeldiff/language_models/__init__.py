"""A micro language model and its objectives, named in a config by import path."""

from modeldiff.language_models.corruption import corrupted, restored, spans
from modeldiff.language_models.infill import Accuracies, accuracies
from modeldiff.language_models.model import micro_lm
from modeldiff.language_models.objectives import train

__all__ = ["Accuracies", "accuracies", "corrupted", "micro_lm", "restored", "spans", "train"]
