"""Models of sequences compared by the automata that are learned of them."""

from collections.abc import Sequence

import torch

from modeldiff import automata
from modeldiff.automata.dfa import Word
from modeldiff.automata.words import Oracle
from modeldiff.study.symbols import coded
from modeldiff.training.trained_models import TrainedModels

MODELS = 10  # of either recipe
LIMIT = 5000  # words that a model is asked for its automaton
ACCEPTED = 1  # the class whose words a model accepts


def compared(
    groups: Sequence[TrainedModels], n_a: int, *, symbols: int, length: int, seed: int
) -> automata.Comparison:
    """Two recipes compared by the automata of their models, of which the first `n_a` are A's.

    symbols: of the alphabet. length: of the sequences that models are trained on, which no random
    word exceeds; models are asked longer words, too. seed: of the random words.
    """
    oracles = [oracle(trained, length) for trained in each_model(groups)]
    return automata.compare(
        oracles[:n_a],
        oracles[n_a:],
        symbols=symbols,
        longest=length,
        limit=LIMIT,
        seed=seed,
    )


def each_model(groups: Sequence[TrainedModels]) -> list[TrainedModels]:
    """The models one by one, in their order."""
    found = []
    for trained in groups:
        for place in range(trained.models):
            found.append(trained.only(torch.tensor([place])))
    return found


def oracle(trained: TrainedModels, length: int) -> Oracle:
    """A model as a function of words, which says whether it takes them for class `ACCEPTED`.

    Words are padded to `length`; longer ones are given as they are.
    """

    def accepts(words: list[Word]) -> Sequence[bool]:
        longest = max([length, *map(len, words)])
        predicted = trained.logits(coded(words, longest))[0].argmax(1)
        accepted: list[bool] = (predicted == ACCEPTED).tolist()
        return accepted

    return accepts
