"""Two score files compared without training: in the terminal, as a page, and for a program."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff import comparison
from modeldiff.core import artifacts
from modeldiff.report import comparison_page

SHOWN = 5  # directions, and examples of each, in the terminal


def compare(
    a: np.ndarray, b: np.ndarray, *, directions: int, rows: str, examples: int
) -> dict[str, dict[str, np.ndarray]]:
    """Compare both ways: for each, the fields of `Comparison` (`variance_a`, `reach_a`: always a's)
    and the examples at both ends of each direction, int64 [directions x examples], most extreme
    first.
    """
    found = {}
    for way, (first, second) in zip(comparison.WAYS, ((a, b), (b, a)), strict=True):
        arrays = comparison.compare(first, second, directions=directions, rows=rows).arrays()
        if way != comparison.WAYS[0]:
            for name in ("variance", "reach"):
                of_a, of_b = arrays[f"{name}_b"], arrays[f"{name}_a"]
                arrays |= {f"{name}_a": of_a, f"{name}_b": of_b}
        for what, scores in (("test", arrays["projections"].T), ("train", arrays["directions"])):
            both = [comparison.ends(own, examples) for own in scores]
            for side, end in enumerate(("high", "low")):
                arrays[f"{what}_{end}"] = np.stack([ends[side] for ends in both])
        found[way] = arrays
    return found


def summary(found: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> dict[str, Any]:
    """The comparison as a study's `summary.json` has it."""
    ways = [
        {
            "way": way,
            "directions": [
                {
                    "rank": i + 1,
                    "variance_a": float(of["variance_a"][i]),
                    "variance_b": float(of["variance_b"][i]),
                    "train_examples": of["train_high"][i].tolist(),
                    "test_examples": of["test_high"][i].tolist(),
                }
                for i in range(len(of["directions"]))
            ],
        }
        for way, of in found.items()
    ]
    return {"comparisons": [{"a": names[0], "b": names[1]} | way for way in ways]}


def lines(found: dict[str, dict[str, np.ndarray]], names: tuple[str, str]) -> Iterator[str]:
    """The first directions for people."""
    for (way, of), first in zip(found.items(), names, strict=True):
        yield f"{first} minus {names[way == comparison.WAYS[0]]}"
        for i in range(min(SHOWN, len(of["directions"]))):
            a, b = of["variance_a"][i], of["variance_b"][i]
            targets = of["test_high"][i][:SHOWN].tolist()
            train = of["train_high"][i][:SHOWN].tolist()
            yield (
                f"  {i + 1}: variance {a:.2%} and {b:.2%}; targets {' '.join(map(str, targets))}; "
                f"training examples {' '.join(map(str, train))}"
            )


def write(
    found: dict[str, dict[str, np.ndarray]], names: tuple[str, str], folder: str | Path
) -> None:
    """Write `comparison.npz`, `summary.json` and the page `comparison.html`."""
    folder = Path(folder)
    with artifacts.atomic_write(folder / "comparison.npz") as file:
        flat = {f"{way}.{k}": v for way, of in found.items() for k, v in of.items()}
        artifacts.write_arrays(file, flat)
    artifacts.write_json(folder / "summary.json", summary(found, names))
    with artifacts.atomic_write(folder / "comparison.html") as file:
        file.write(comparison_page.render(found, names).encode())
