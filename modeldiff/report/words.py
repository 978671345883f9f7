"""What the page says of numbers, in words."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # the terminal, too, asks for words, and needs none of these
    from modeldiff.comparison.agreement import Agreement
    from modeldiff.datamodels import Lds
    from modeldiff.report.pairs import Way

# Of an LDS as a share of its ceiling. Conventions, to have one word for one range.
NEAR = 0.8
FAR = 0.4


def p_value(p: float | None, exchanges: int | None = None) -> str:
    """A p-value; exchanges: how many random ones it was found by, if it was."""
    if p is None or np.isnan(p):
        return "not tested"
    if exchanges and p <= 1 / (exchanges + 1):
        return f"p ≤ {1 / (exchanges + 1):.2g}, the smallest that {exchanges} exchanges can give"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def agree(agreement: "Agreement | None") -> str:
    """How alike two algorithms use the training images, with its interval."""
    if agreement is None:
        return ""
    if np.isnan(agreement.value):
        return (
            "How alike they are is not known: the margins of one of them do not surely show, above "
            "their noise, that its training images matter."
        )
    interval = f"[{agreement.low:.2f}, {agreement.high:.2f}]"
    return f"They agree to {agreement.value:.2f} {interval}, noise taken out."


def reach(way: "Way", side: str, i: int) -> str:
    """How far algorithm "a" or "b" goes along a direction, with its interval where known."""
    value, low, high = getattr(way, f"reach_{side}")[i]
    return short(value) if np.isnan(low) else f"{short(value)} [{short(low)}, {short(high)}]"


def chance(way: "Way", i: int, exchanges: int | None) -> str:
    """What was tested about a direction, in words."""
    if np.isnan(way.p_value[i]):
        return "Not tested against chance."
    if not way.tested(i):
        return "Not tested, since a stronger one does not stand out from chance."
    p = p_value(way.p_value[i], exchanges)
    if not way.significant[i]:
        return f"No more than chance gives ({p})."
    shown = way.train_high.shape[1]
    return (
        f"Stands out from chance ({p}). Two halves of the models agree on {way.shared(i)} of its "
        f"{shown} strongest training images."
    )


def quality(lds: "Lds") -> str:
    """What the score of an algorithm's datamodels says, in words."""
    if not lds.low > 0:
        return "predict nothing for certain: directions are noise, read no further"
    if not np.isfinite(lds.ceiling) or lds.ceiling <= 0:
        return "predict more than nothing; how much could be predicted is not known"
    share = lds.mean / lds.ceiling
    reached = f"predict {share:.0%} of what can be predicted"
    if share >= NEAR:
        return f"{reached}: about as good as this method can make them"
    if share >= FAR:
        return f"{reached}: good enough to look at groups; more models would sharpen them"
    return f"{reached}: mostly noise; train more models before you trust single images"


def short(value: float) -> str:
    """Two digits, without an exponent."""
    text = f"{float(f'{value:.2g}'):,.12f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def share_left(value: float) -> str:
    """A share that may be negative, two digits after the point; a dash for what is not known."""
    return "\N{EN DASH}" if np.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def points(value: float) -> str:
    """A probability in percentage points, signed."""
    text = f"{value * 100:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash for what does not exist."""
    if value is None or np.isnan(value):
        return "\N{EN DASH}"
    return f"{value * 100:.{digits}f}%"


def interval(row: dict[str, Any]) -> str:
    """An effect's interval, in points."""
    return f"[{points(row['low'])}, {points(row['high'])}]"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
