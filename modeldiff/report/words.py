"""What the page says of numbers, in words."""

from typing import Any

import numpy as np

from modeldiff.comparison.agreement import Agreement
from modeldiff.report.results import Way


def agree(agreement: Agreement | None) -> str:
    """How alike two algorithms use the training images, noise taken out."""
    if agreement is None:
        return ""
    if np.isnan(agreement.value):
        return (
            "How alike they are is not known: the margins of one of them do not surely show, "
            "above their noise, that its training images matter."
        )
    interval = f"[{agreement.low:.2f}, {agreement.high:.2f}]"
    agreed = f"{agreement.value:.2f} {interval}"
    return f"Noise taken out, their datamodels agree to {agreed} (1: the same)."


def reach(way: Way, side: str, i: int) -> str:
    """How far algorithm "a" or "b" goes along a direction, with its interval where known."""
    value, low, high = getattr(way, f"reach_{side}")[i]
    return f"{value:.2g}" if np.isnan(low) else f"{value:.2g} [{low:.2g}, {high:.2g}]"


def chance(way: Way, i: int) -> str:
    """What was tested about a direction, in words."""
    if np.isnan(way.p_value[i]):
        return "Not tested against chance."
    verdict = "Stands out" if way.significant[i] else "No more than chance gives"
    shown = way.train_high.shape[1]
    return (
        f"{verdict} (p = {way.p_value[i]:.2g}). Two halves of the models agree on "
        f"{way.shared(i)} of its {shown} strongest training images.{followed(way, i)}"
    )


def followed(way: Way, i: int) -> str:
    """Whether the second algorithm follows a direction that stands out, too."""
    value, low, high = way.second_follows[i]
    if np.isnan(value) or not way.significant[i]:
        return ""
    far = f"{value:.2f} [{low:.2f}, {high:.2f}] times as far as {way.first}"
    if low > 0:
        return f" {way.second} follows it too, {far}."
    if high < 0:
        return f" {way.second} goes the opposite way, {far}."
    return f" {way.second} is not seen to follow it ({far})."


def points(value: float) -> str:
    """A probability in percentage points, signed."""
    text = f"{value * 100:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash for what does not exist."""
    return "\N{EN DASH}" if value is None else f"{value * 100:.{digits}f}%"


def interval(row: dict[str, Any]) -> str:
    """An effect's interval, in points."""
    return f"[{points(row['low'])}, {points(row['high'])}]"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
