"""Small models of texts: int64 [n x length], bytes, where 0 is padding, to logits [n x classes].

They hold no buffers and no dropout, so that many are trained at once by `vmap`.
"""

import torch
from torch import Tensor, nn

BYTES = 256
FACTOR = 257  # of a byte's place in the hash of its word
SPREAD = 0x9E3779B1  # an odd number that spreads hashes over the buckets


def word_hashes(texts: Tensor) -> tuple[Tensor, Tensor]:
    """Hashes of the words of texts, int64 [n x length], and where there are words, bool.

    Words are letters, digits and bytes of other alphabets, without regard to case; what lies
    between them does not count. Place i is of the i-th stretch of a text, which may be empty.
    """
    upper = (texts >= ord("A")) & (texts <= ord("Z"))
    lower = texts + 32 * upper
    letter = (lower >= ord("a")) & (lower <= ord("z")) | (lower >= 128)
    inside = letter | (texts >= ord("0")) & (texts <= ord("9"))
    places = torch.arange(texts.shape[1], device=texts.device).expand_as(texts)
    word = (~inside).long().cumsum(1).clamp(max=texts.shape[1] - 1)
    start = torch.where(inside, -1, places).cummax(1).values
    values = torch.where(inside, (lower + 1) * FACTOR ** (places - start).clamp(max=7), 0)
    sums = torch.zeros_like(texts).scatter_add(1, word, values)
    return sums, sums > 0


class BagOfWords(nn.Module):
    """See `bag_of_words`."""

    def __init__(self, classes: int, buckets: int, width: int):
        super().__init__()
        self.buckets = buckets
        self.words = nn.Embedding(buckets, width)
        self.last = nn.Linear(width, classes)

    def forward(self, texts: Tensor) -> Tensor:
        hashes, there = word_hashes(texts)
        bucket = (hashes * SPREAD >> 15) % self.buckets
        vectors = self.words(bucket) * there[..., None]
        mean = vectors.sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.last(mean)
        return logits


def bag_of_words(
    shape: tuple[int, ...], classes: int, *, buckets: int = 2048, width: int = 16
) -> nn.Module:
    """The mean of a vector for each word, and a linear layer; words share hashed buckets."""
    return BagOfWords(classes, buckets, width)


class Block(nn.Module):
    """Attention and two linear layers, each added to what comes in."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)
        self.together = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x: float32 [n x length x width]; seen: bool [n x 1 x (1 or length) x length], which
        places (last axis) each place attends to.
        """
        n, length, width = x.shape
        parts = self.projections(self.before(x)).view(n, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        # A large number, not infinity: a text of padding alone would be all NaN.
        scores = scores - 1e9 * ~seen
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(n, length, width)
        x = x + self.together(mixed)
        return x + self.outer(torch.relu(self.inner(self.between(x))))


class Transformer(nn.Module):
    """See `transformer`."""

    def __init__(self, length: int, classes: int, width: int, layers: int, heads: int):
        super().__init__()
        self.bytes = nn.Embedding(BYTES, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, classes)

    def forward(self, texts: Tensor) -> Tensor:
        there = texts > 0
        x = self.bytes(texts) + self.places
        for block in self.blocks:
            x = block(x, there[:, None, None])
        weight = there[..., None].to(x.dtype)
        mean = (self.norm(x) * weight).sum(1) / weight.sum(1).clamp(min=1)
        logits: Tensor = self.last(mean)
        return logits


def transformer(
    shape: tuple[int, ...], classes: int, *, width: int = 32, layers: int = 1, heads: int = 2
) -> nn.Module:
    """A small transformer over bytes: the mean of its last layer, and a linear layer."""
    return Transformer(shape[0], classes, width, layers, heads)
