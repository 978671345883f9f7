"""A small recurrent net that says whether a word belongs to a language."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from modeldiff.automata.dfa import Word
from modeldiff.core import rng


class Recurrent(nn.Module):
    """A GRU over a word's symbols, and a linear layer on its last state.

    Called with a list of words it returns whether each is accepted, bool [words]: an oracle.
    """

    def __init__(self, symbols: int, width: int = 32):
        super().__init__()
        self.symbols = symbols
        self.start = symbols  # a symbol of its own before each word, so that none is empty
        self.embedding = nn.Embedding(symbols + 1, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, 1)

    def log_odds(self, padded: Tensor, lengths: Tensor) -> Tensor:
        """Log-odds that words belong, float32 [words]; padded: as `pad` returns it."""
        states, _ = self.gru(self.embedding(padded))
        last = states[torch.arange(len(padded)), lengths]
        return self.out(last).squeeze(1)

    def forward(self, words: Sequence[Word]) -> np.ndarray:
        self.eval()
        with torch.no_grad():
            log_odds = self.log_odds(*self.pad(words))
        accepted: np.ndarray = (log_odds > 0).numpy()
        return accepted

    def pad(self, words: Sequence[Word]) -> tuple[Tensor, Tensor]:
        """Words of one length, int64 [words x longest + 1], and their own lengths, [words]."""
        lengths = torch.tensor([len(word) for word in words])
        padded = torch.zeros(len(words), int(lengths.max()) + 1, dtype=torch.int64)
        padded[:, 0] = self.start
        for row, word in zip(padded, words, strict=True):
            row[1 : len(word) + 1] = torch.tensor(word, dtype=torch.int64)
        return padded, lengths


def train(
    words: Sequence[Word],
    labels: np.ndarray,
    symbols: int,
    *key: rng.Key,
    epochs: int = 40,
    batch: int = 50,
    lr: float = 0.01,
) -> Recurrent:
    """Train a net on words and whether each belongs, bool [words].

    Adam, its rate falling to 0 by a cosine. key: of the first weights and the order of words.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.seed("recurrent", *key))
        net = Recurrent(symbols)
    padded, lengths = net.pad(words)
    belongs = torch.from_numpy(np.asarray(labels)).float()
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    steps = epochs * -(-len(words) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        order = torch.from_numpy(rng.permutation(len(words), "order", *key, epoch))
        for chosen in order.split(batch):
            log_odds = net.log_odds(padded[chosen], lengths[chosen])
            loss = nn.functional.binary_cross_entropy_with_logits(log_odds, belongs[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return net
