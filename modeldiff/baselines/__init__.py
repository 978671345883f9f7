"""The other known ways to compare two recipes, on the same models, with one test for all."""

from modeldiff.baselines.pool import Pool
from modeldiff.exchange import Excess, Named, exchange, named

__all__ = ["Excess", "Named", "Pool", "exchange", "named"]
