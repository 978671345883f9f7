"""Arguments of public functions, checked: one line that names what is wrong and what is right."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff.core.errors import UserError, described, shown


def whole(name: str, given: Any, least: int, most: int | None = None) -> int:
    """A whole number of at least `least`, and at most `most` if there is a most."""
    bounds = f"{least} or more" if most is None else f"{least} to {most}"
    if not isinstance(given, Integral) or isinstance(given, bool):
        raise UserError(f"{name}: is {described(given)}; must be a whole number, {bounds}")
    number = int(given)
    if number < least or (most is not None and number > most):
        raise UserError(f"{name}: is {shown(number)}; must be {bounds}")
    return number


def above_0(name: str, given: Any) -> float:
    """A finite number above 0."""
    kind = isinstance(given, Real) and not isinstance(given, bool)
    if not kind or not given > 0 or not math.isfinite(given):
        raise UserError(f"{name}: is {described(given)}; must be a number above 0")
    return float(given)


def one_of(name: str, given: Any, known: Sequence[str]) -> None:
    """UserError unless it is one of the known words."""
    if not isinstance(given, str) or given not in known:
        raise UserError(f"{name}: is {described(given)}; must be one of {', '.join(known)}")


def array(name: str, given: Any) -> np.ndarray:
    """An array of numpy, a tensor on any device, or what numpy makes an array of."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
    try:
        return np.asarray(given)
    except (TypeError, ValueError):  # rows of different lengths
        raise UserError(f"{name}: is {described(given)}; must be an array") from None


def matrix(name: str, given: Any, sides: str) -> np.ndarray:
    """A matrix of finite numbers as float64; sides: what it must be, `targets x examples`."""
    rows = array(name, given)
    if rows.dtype.kind not in "fiub":
        raise UserError(f"{name}: is {described(given)}; must be numbers [{sides}]")
    if rows.ndim != 2 or 0 in rows.shape:
        raise UserError(f"{name}: has shape {rows.shape}; must be [{sides}]")
    finite_rows(name, rows)
    return rows.astype(np.float64, copy=False)


def finite_rows(name: str | Path, rows: np.ndarray) -> None:
    """UserError if a row of a matrix has a number that is not finite; name: of it, or its file."""
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise UserError(f"{name}: {len(bad)} rows are not finite, the first is row {bad[0]}")


def vector(name: str, given: Any) -> np.ndarray:
    """Numbers [n]."""
    numbers = array(name, given)
    if numbers.ndim != 1 or numbers.dtype.kind not in "fiu":
        raise UserError(f"{name}: are {described(given)}; must be numbers [n]")
    return numbers


def torch_device(name: str, given: Any) -> None:
    """UserError unless torch can use this device here."""
    import torch  # only where a device is asked for

    try:
        torch.empty(0, device=torch.device(given))
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{name}: {described(given)} cannot be used here: {reason}") from None


def masks(name: str, given: Any) -> None:
    """UserError unless these are masks: bool [models x examples], an array or read by rows."""
    shape = getattr(given, "shape", ())
    kind = getattr(given, "dtype", None)
    if len(shape) != 2 or 0 in shape or kind != np.bool_:
        raise UserError(f"{name}: are {described(given)}; must be bool [models x examples]")


def margins(name: str, given: Any) -> None:
    """UserError unless these are margins: float [models x targets]; some may not be finite."""
    shape = getattr(given, "shape", ())
    if len(shape) != 2 or 0 in shape or np.asarray(given[:1]).dtype.kind not in "fiu":
        raise UserError(f"{name}: are {described(given)}; must be numbers [models x targets]")
