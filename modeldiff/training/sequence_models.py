"""Small models of sequences: int64 [n x length], where 0 is padding, to logits [n x classes]."""

import torch
from torch import Tensor, nn

CODES = 256  # of symbols, and padding


class Recurrent(nn.Module):
    """See `recurrent`. The steps are written out, since `vmap` has no rule for `nn.GRU`."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.symbols = nn.Embedding(CODES, width)
        self.inputs = nn.Linear(width, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        self.last = nn.Linear(width, classes)

    def forward(self, sequences: Tensor) -> Tensor:
        there = sequences > 0
        given = self.inputs(self.symbols(sequences))
        state = torch.zeros_like(given[:, 0].chunk(3, -1)[0])
        for place in range(sequences.shape[1]):
            following = self.step(given[:, place], state)
            state = torch.where(there[:, place, None], following, state)
        logits: Tensor = self.last(state)
        return logits

    def step(self, given: Tensor, state: Tensor) -> Tensor:
        """The next state, float32 [n x width]; given: of a symbol, [n x 3 width]."""
        reset_by, update_by, new_by = given.chunk(3, -1)
        reset_of, update_of, new_of = self.recurrent(state).chunk(3, -1)
        reset = torch.sigmoid(reset_by + reset_of)
        update = torch.sigmoid(update_by + update_of)
        new = torch.tanh(new_by + reset * new_of)
        return (1 - update) * new + update * state


def recurrent(shape: tuple[int, ...], classes: int, *, width: int = 32) -> nn.Module:
    """A gated recurrent unit (GRU), and a linear layer on its state after the last symbol.

    Takes sequences of any length.
    """
    return Recurrent(classes, width)
