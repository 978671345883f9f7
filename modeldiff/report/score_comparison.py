"""Two score files compared without training: in the terminal, as a page, and for a program."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import comparison
from modeldiff.core import artifacts
from modeldiff.report import comparison_page
from modeldiff.report.words import short

SHOWN = 5  # directions, and examples of each, in the terminal


def compare(
    a: np.ndarray, b: np.ndarray, *, directions: int, rows: str, examples: int
) -> dict[str, dict[str, np.ndarray]]:
    """Compare both ways: for each, the fields of `Comparison` (`variance_a`, `reach_a`: always a's)
    and the examples at both ends of each direction, int64 [directions x examples], most extreme
    first.
    """
    a_minus_b, b_minus_a = comparison.WAYS
    forth = comparison.compare(a, b, directions=directions, rows=rows).arrays()
    back = comparison.compare(b, a, directions=directions, rows=rows).arrays()
    for name in ("variance", "reach"):  # by algorithm, whatever the way
        of_first = back[f"{name}_a"]
        back[f"{name}_a"] = back[f"{name}_b"]
        back[f"{name}_b"] = of_first
    for arrays in (forth, back):
        _add_ends(arrays, "test", arrays["projections"].T, examples)
        _add_ends(arrays, "train", arrays["directions"], examples)
    return {a_minus_b: forth, b_minus_a: back}


def _add_ends(arrays: dict[str, np.ndarray], what: str, scores: np.ndarray, examples: int) -> None:
    """Add the examples at both ends of each direction, by scores [directions x examples]."""
    highs = []
    lows = []
    for of_direction in scores:
        high, low = comparison.ends(of_direction, examples)
        highs.append(high)
        lows.append(low)
    arrays[f"{what}_high"] = np.stack(highs)
    arrays[f"{what}_low"] = np.stack(lows)


def summary(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> dict[str, Any]:
    """The comparison as a study's `summary.json` has it."""
    a, b = names
    comparisons = []
    for way, arrays in ways.items():
        directions = [_direction(arrays, i) for i in range(len(arrays["directions"]))]
        comparisons.append({"a": a, "b": b, "way": way, "directions": directions})
    return {"comparisons": comparisons}


def _direction(arrays: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    """Direction `i` (from 0) as JSON values."""
    return {
        "rank": i + 1,
        "variance_a": float(arrays["variance_a"][i]),
        "variance_b": float(arrays["variance_b"][i]),
        "reach_a": float(arrays["reach_a"][i, 0]),
        "reach_b": float(arrays["reach_b"][i, 0]),
        "train_examples": arrays["train_high"][i].tolist(),
        "test_examples": arrays["test_high"][i].tolist(),
    }


def lines(ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> Iterator[str]:
    """The first directions for people."""
    a, b = names
    titles = (f"{a} minus {b}", f"{b} minus {a}")
    for title, arrays in zip(titles, ways.values(), strict=True):
        yield title
        for i in range(min(SHOWN, len(arrays["directions"]))):
            reaches = f"{short(arrays['reach_a'][i, 0])} and {short(arrays['reach_b'][i, 0])}"
            targets = " ".join(map(str, arrays["test_high"][i][:SHOWN].tolist()))
            train = " ".join(map(str, arrays["train_high"][i][:SHOWN].tolist()))
            yield f"  {i + 1}: reach {reaches}; targets {targets}; training examples {train}"


def write(
    ways: dict[str, dict[str, np.ndarray]], names: tuple[str, str], folder: str | Path
) -> None:
    """Write `comparison.npz`, `summary.json` and the page `comparison.html`."""
    folder = Path(folder)
    with artifacts.atomic_write(folder / "comparison.npz") as file:
        artifacts.write_arrays(file, _flat(ways))
    artifacts.write_json(folder / "summary.json", summary(ways, names))
    with artifacts.atomic_write(folder / "comparison.html") as file:
        compared = comparison_page.of_scores(ways, names)
        file.write(comparison_page.render(compared).encode())


def _flat(ways: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of both ways under names such as `a-minus-b.directions`."""
    flat = {}
    for way, arrays in ways.items():
        for name, array in arrays.items():
            flat[f"{way}.{name}"] = array
    return flat
