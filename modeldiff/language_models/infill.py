"""How often a micro language model predicts a byte, in three ways of asking for the same bytes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from modeldiff.core import rng
from modeldiff.language_models.corruption import EOD, MASKS, SEP
from modeldiff.language_models.model import MicroLM
from modeldiff.language_models.objectives import Lesson


class Accuracies(NamedTuple):
    """The share of bytes of spans that are the most probable ones, given those before them.

    left_to_right: read from left to right, what follows a span is not seen. prefix: the same, but
    what stands before the span is read in both directions. infill: what follows is seen, too, in
    the format of `corruption`. many: of how many bytes.
    """

    left_to_right: float
    prefix: float
    infill: float
    many: int


def accuracies(module: MicroLM, texts: np.ndarray, *, span: int = 8, seed: int = 0) -> Accuracies:
    """Of one random span in each of the texts that are three times as long, or longer.

    texts: uint8 [n x length], padded with 0. span: bytes of a span.
    """
    right = dict.fromkeys(Accuracies._fields[:3], 0)
    many = 0
    for number, row in enumerate(texts):
        text = row[row > 0].tolist()
        if len(text) < 3 * span:
            continue
        (place,) = rng.uniform(1, "infill", seed, number)
        start = 1 + int(place * (len(text) - span))
        before, answer, after = text[:start], text[start : start + span], text[start + span :]
        asked = [*before, MASKS[0], *after, EOD, SEP, MASKS[0]]
        lessons = {
            "left_to_right": Lesson(before + answer, 1),
            "prefix": Lesson(before + answer, start),
            "infill": Lesson(asked + answer, 1),
        }
        for way, lesson in lessons.items():
            right[way] += _right(module, lesson, answer)
        many += span
    shares = {way: count / max(1, many) for way, count in right.items()}
    return Accuracies(**shares, many=many)


@torch.no_grad()
def _right(module: MicroLM, lesson: Lesson, answer: Sequence[int]) -> int:
    """How many tokens of the answer, at the end of a lesson, are the most probable ones."""
    tokens = torch.tensor([lesson.tokens])
    following = module.following(tokens, torch.tensor([lesson.prefix]))
    guessed = following[0, -len(answer) - 1 : -1].argmax(-1)
    return int((guessed == torch.tensor(answer)).sum())
