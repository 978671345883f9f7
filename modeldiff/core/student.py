"""Student's t, named as in SciPy: scipy.stats, which has the same, takes long to import."""

from typing import Any

from scipy.special import stdtr, stdtrit


def ppf(probability: float, freedom: Any) -> Any:
    """The value that t is below with this probability, float64 [...]; NaN where freedom is 0.

    freedom: degrees of freedom, a number or an array.
    """
    return stdtrit(freedom, probability)


def isf(probability: float, freedom: Any) -> Any:
    """The value that t exceeds with this probability, as `ppf`."""
    return -stdtrit(freedom, probability)


def sf(value: Any, freedom: Any) -> Any:
    """The probability that t exceeds a value, float64 [...]."""
    return stdtr(freedom, -value)
