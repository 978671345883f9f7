"""What a feature does to both algorithms, on images that no direction was found on."""

from modeldiff.verification.effects import (
    MEASURES,
    OVER,
    effects,
    half_width,
    interval,
    predict,
    write,
)

__all__ = ["MEASURES", "OVER", "effects", "half_width", "interval", "predict", "write"]
