"""What a micro language model is trained to predict: three objectives.

Whatever the objective, a text becomes a sequence of tokens of which the first ones, the prefix, are
given and all see each other; each of the others is predicted from what stands before it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.language_models.corruption import SHORTEST, corrupted, spans
from modeldiff.language_models.model import MicroLM, log_probabilities


class Lesson(NamedTuple):
    """Tokens to learn from, of which the first `prefix`, one or more, are given."""

    tokens: list[int]
    prefix: int


def causal(text: list[int], *key: rng.Key) -> Lesson:
    """Every byte from those before it."""
    return Lesson(text, 1)


def mixture(text: list[int], *key: rng.Key) -> Lesson:
    """With probability one half causal, else corrupted; see `corruption`."""
    (chance,) = rng.uniform(1, "mixture", *key)
    if chance < 0.5 or len(text) < SHORTEST:
        return causal(text)
    return Lesson(corrupted(text, spans(len(text), *key)), 1)


def prefix(text: list[int], *key: rng.Key) -> Lesson:
    """The rest of a text from a beginning of random length, which is read in both directions."""
    (share,) = rng.uniform(1, "prefix", *key)
    return Lesson(text, 1 + int(share * max(1, len(text) - 1)))


OBJECTIVES: dict[str, Callable[..., Lesson]] = {
    "causal": causal,
    "mixture": mixture,
    "prefix": prefix,
}


def loss(module: MicroLM, lessons: Sequence[Lesson], device: torch.device) -> Tensor:
    """The mean cost in nats of all tokens that are predicted, each given those before."""
    rows = [torch.tensor(lesson.tokens) for lesson in lessons]
    tokens = pad_sequence(rows, batch_first=True).to(device)
    given = torch.tensor([lesson.prefix for lesson in lessons], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    places = torch.arange(1, tokens.shape[1], device=device)
    predicted = (places >= given[:, None]) & (places < lengths[:, None])
    logs = log_probabilities(module.following(tokens, given), tokens)
    return -logs[predicted].mean()


def train(
    module: MicroLM,
    texts: Tensor,
    labels: Tensor,
    seed: int,
    *,
    objective: str,
    epochs: int = 10,
    batch: int = 16,
    rate: float = 0.01,
) -> None:
    """Train a micro language model by an objective: `causal`, `mixture` or `prefix`.

    texts: int64 [n x length], padded with 0; labels are not used. AdamW, its learning rate falls
    from `rate` to 0. All randomness is by seed, epoch and the text's position.
    Raises UserError for another objective.
    """
    if objective not in OBJECTIVES:
        raise UserError(f"train.objective: is {objective!r}; must be {' or '.join(OBJECTIVES)}")
    make = OBJECTIVES[objective]
    contents = [text[text > 0].tolist() for text in texts]
    # A text of its first byte alone has nothing to predict.
    chosen = [number for number, content in enumerate(contents) if len(content) > 1]
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate)
    steps = epochs * -(-len(chosen) // batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    module.train()
    for epoch in range(epochs):
        order = rng.permutation(len(chosen), "order", seed, epoch)
        for start in range(0, len(order), batch):
            lessons = []
            for place in order[start : start + batch]:
                number = chosen[place]
                lessons.append(make(contents[number], seed, epoch, number))
            optimizer.zero_grad()
            loss(module, lessons, texts.device).backward()
            optimizer.step()
            schedule.step()
