"""Data sets: training and test examples in an order that never changes."""

from modeldiff.dataset.prepared import (
    Dataset,
    as_float,
    check_trained_on,
    differences,
    digest,
    opened,
    prepare,
    read,
    read_manifest,
)
from modeldiff.dataset.raw import Images, Raw
from modeldiff.dataset.sources import BUILT_IN, digits

__all__ = [
    "BUILT_IN",
    "Dataset",
    "Images",
    "Raw",
    "as_float",
    "check_trained_on",
    "differences",
    "digest",
    "digits",
    "opened",
    "prepare",
    "read",
    "read_manifest",
]
