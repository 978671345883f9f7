"""Datamodels: sparse linear maps from training subsets to margins, fitted and evaluated.

Source: Ilyas et al. 2022 (arXiv 2202.00622), section 3; masks [models x train examples] and
margins [models x targets] go in, weights [targets x train examples] come out.
"""

from modeldiff.datamodels.evaluation import Lds, lds
from modeldiff.datamodels.gram_cache import Grams
from modeldiff.datamodels.model import Datamodels
from modeldiff.datamodels.regression import fit

__all__ = ["Datamodels", "Grams", "Lds", "fit", "lds"]
