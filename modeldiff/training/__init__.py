"""Training: many models of one algorithm, each on its own subset of the data."""

from modeldiff.training.checkpoint import finish
from modeldiff.training.engine import train
from modeldiff.training.fit import Member
from modeldiff.training.shard import train_full, train_shard
from modeldiff.training.trained_models import TrainedModels

__all__ = ["Member", "TrainedModels", "finish", "train", "train_full", "train_shard"]
