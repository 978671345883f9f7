"""Training: many models of one algorithm, each on its own subset of the data."""

from modeldiff.training.engine import Member, Trained, train
from modeldiff.training.shard import train_full, train_shard

__all__ = ["Member", "Trained", "train", "train_full", "train_shard"]
