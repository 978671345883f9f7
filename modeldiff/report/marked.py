"""Words, symbols and columns that set two recipes apart, as the page and the summary say them."""

from typing import Any

from modeldiff.dataset import Dataset
from modeldiff.occlusion import Mark
from modeldiff.report.pairs import Pair
from modeldiff.report.rendering import Highlight, Rendered, Renderer
from modeldiff.study.kinds import TABLE, TEXT, decoded


def highlights(pair: Pair, data: Dataset, split: str, example: int) -> list[Highlight]:
    """What is marked of an example, the strongest first; each in the colour of the algorithm that
    it moves further.
    """
    found = []
    for mark in pair.marks.get((split, example), ()):
        without = "at its class's median" if data.kind is TABLE else "without it"
        found.append(
            Highlight(
                piece=mark.piece,
                side="a" if abs(mark.a) > abs(mark.b) else "b",
                about=f"{without} the margin changes by {-mark.a:+.2f} under {pair.a} and by "
                f"{-mark.b:+.2f} under {pair.b}",
            )
        )
    return found


def rendered(pair: Pair, data: Dataset) -> dict[str, dict[int, Rendered]]:
    """The examples of each split that have marks, with them."""
    renderer = Renderer(data)
    found: dict[str, dict[int, Rendered]] = {"test": {}, "train": {}}
    for split, example in pair.marks:
        held = getattr(data, split)
        marked = highlights(pair, data, split, example)
        label = int(held.labels[example])
        found[split][example] = renderer.still(held.images[example], label, marked=marked)
    return found


def summary(pair: Pair, data: Dataset) -> list[dict[str, Any]]:
    """The same as JSON values: where each piece starts (a letter, symbol or column, from 0) and how
    far the margin falls without it, under either.
    """
    entries = []
    for (split, example), marks in pair.marks.items():
        pieces = []
        for mark in marks:
            shown = _shown(data, split, example, mark)
            start = mark.piece.start
            piece = {data.kind.piece: shown, "start": start, "fall_a": mark.a, "fall_b": mark.b}
            pieces.append(piece)
        entries.append(
            {"a": pair.a, "b": pair.b, "split": split, "example": example, "marked": pieces}
        )
    return entries


def _shown(data: Dataset, split: str, example: int, mark: Mark) -> str:
    """A marked piece itself: words, symbols, or the name of a column."""
    start, stop = mark.piece
    if data.kind is TABLE:
        return data.columns[start].name
    content = getattr(data, split).images[example]
    if data.kind is TEXT:
        return decoded(content[None])[0][start:stop]
    return " ".join(data.alphabet[code - 1] for code in content[start:stop].tolist())
