"""A micro language model over bytes, as a model that a study can train.

A study asks a model for a logit of each class. A text's class is its language, such as code or
prose, which its first byte names. Its logit is the mean log-probability of the text's bytes, read
from left to right; the logit of every other class is a constant. With two classes the margin is
then the mean log-probability, plus that constant, and its gradient is that of the causal loss.
"""

import math

import torch
from torch import Tensor, nn

from modeldiff.core.errors import UserError
from modeldiff.language_models.corruption import BYTES, LONGER, VOCABULARY
from modeldiff.training.text_models import Block


class MicroLM(nn.Module):
    """See `micro_lm`."""

    def __init__(
        self, length: int, tags: tuple[int, ...], width: int, layers: int, heads: int, nats: float
    ):
        super().__init__()
        self.tags = tags
        self.nats = nats
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Parameter(0.02 * torch.randn(length + LONGER, width))
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, VOCABULARY)

    def following(self, tokens: Tensor, prefix: Tensor) -> Tensor:
        """Logits of each token's next one: float32 [n x length x VOCABULARY].

        tokens: int64 [n x length]. prefix: int64 [n], of how many tokens at the start each sees all
        the others; 1: none sees a later one.
        """
        length = tokens.shape[1]
        x = self.tokens(tokens) + self.places[:length]
        seen = visible(length, prefix)[:, None]
        for block in self.blocks:
            x = block(x, seen)
        logits: Tensor = self.last(self.norm(x))
        return logits

    def forward(self, texts: Tensor) -> Tensor:
        prefix = torch.ones_like(texts[:, 0])
        logs = log_probabilities(self.following(texts, prefix), texts)
        there = (texts[:, 1:] > 0).to(logs.dtype)
        mean = (logs * there).sum(1) / there.sum(1).clamp(min=1)
        own = texts[:, :1] == torch.tensor(self.tags, device=texts.device)
        return torch.where(own, mean[:, None], -self.nats)


def visible(length: int, prefix: Tensor) -> Tensor:
    """Which tokens (last axis) each token sees: bool [n x length x length]; see `following`."""
    places = torch.arange(length, device=prefix.device)
    earlier = places <= places[:, None]
    return earlier | (places < prefix[:, None, None])


def log_probabilities(following: Tensor, tokens: Tensor) -> Tensor:
    """Of each token but the first, given those before: float32 [n x (length - 1)].

    following: as `MicroLM.following` gives it for the tokens, int64 [n x length].
    """
    logs = following[:, :-1].log_softmax(-1)
    return logs.gather(2, tokens[:, 1:, None])[..., 0]


def micro_lm(
    shape: tuple[int, ...],
    classes: int,
    *,
    tags: str,
    width: int = 32,
    layers: int = 1,
    heads: int = 2,
    nats: float = math.log(BYTES),
) -> nn.Module:
    """A small transformer that predicts the next byte of a text.

    tags: the letter that texts of each class begin with, in the order of the classes. nats: a text
    counts as right if its bytes cost fewer nats each, in the mean; by default what guessing costs.
    Raises UserError unless there is a tag for each class.
    """
    if len(tags.encode()) != classes:
        raise UserError(f"model.tags: is {tags!r}; must be a letter for each of {classes} classes")
    return MicroLM(shape[0], tuple(tags.encode()), width, layers, heads, nats)
