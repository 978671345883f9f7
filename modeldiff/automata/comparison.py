"""Two recipes compared by the automata of their models.

The distance of two models is the share of words on which their automata differ. Whether models of
two recipes are further apart than models of one is tested as all distances are, by models that are
exchanged between the recipes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from modeldiff.automata.dfa import Dfa, Word, share_differing, shortest_differing_word, words_up_to
from modeldiff.automata.learn import Learned, Search, learn
from modeldiff.automata.relearn import relearn
from modeldiff.automata.words import Oracle, random_words, said_of
from modeldiff.core.errors import UserError
from modeldiff.exchange import FEWEST, Excess, exchange, named

SHORT_WORDS = 1000  # the shortest of all words, on each of which the recipes are compared
SHOWN = 20  # distinguishing words at most


@dataclass(frozen=True)
class DistinguishingWord:
    """A word on which the recipes differ.

    accepted_a, accepted_b: how many models of A and of B accept it, by their own answers. p_value:
    that automata of one recipe differ so, corrected for all words that were looked at.
    """

    word: Word
    accepted_a: int
    accepted_b: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """What automata say of two recipes.

    automata_a, automata_b: of each model. distances: the share of random words on which the
    automata of two models differ, exact, float64 [models x models], A's first. excess: between the
    recipes beyond that within them, with the p-value of no difference. agreement: the share of
    other random words on which each automaton says what its model says, float64 [models]. words:
    distinguishing words, the surest and then the shortest first.
    """

    automata_a: tuple[Learned, ...]
    automata_b: tuple[Learned, ...]
    distances: np.ndarray
    excess: Excess
    agreement: np.ndarray
    words: tuple[DistinguishingWord, ...]


def compare(
    oracles_a: Sequence[Oracle],
    oracles_b: Sequence[Oracle],
    *,
    symbols: int,
    longest: int = 20,
    agree: int = 1000,
    limit: int = 20_000,
    seed: int = 0,
) -> Comparison:
    """Compare two recipes by the automata of their models.

    oracles_a, oracles_b: a function for each model, 3 or more of either recipe. It takes a list of
    words, tuples of symbols 0 to `symbols` - 1, and returns a bool for each. longest: symbols of
    the random words; agree: on how many of them in a row an automaton must agree with its model;
    limit: of words that each model is asked for its automaton. seed: of the random words. Raises
    UserError for anything else.

    The first automaton is learned from nothing, and all others begin with its tree: with as many
    models of either recipe, exchanging them keeps the level of the test.
    """
    search = Search(symbols=symbols, longest=longest, agree=agree, limit=limit, seed=seed)
    for name, oracles in (("oracles_a", oracles_a), ("oracles_b", oracles_b)):
        if len(oracles) < FEWEST:
            raise UserError(f"{name}: are {len(oracles)}; must be {FEWEST} or more")
    oracles = [*oracles_a, *oracles_b]
    sizes = (len(oracles_a), len(oracles_b))
    first = learn(oracles[0], search)
    learned = [first, *(relearn(oracle, first, search) for oracle in oracles[1:])]
    automata = [one.dfa for one in learned]
    distances = _distances(automata, longest)
    return Comparison(
        automata_a=tuple(learned[: sizes[0]]),
        automata_b=tuple(learned[sizes[0] :]),
        distances=distances,
        excess=exchange(distances, sizes, "automata", seed),
        agreement=_agreement(automata, oracles, search),
        words=_distinguishing_words(automata, oracles, sizes, search),
    )


def _distances(automata: Sequence[Dfa], longest: int) -> np.ndarray:
    distances = np.zeros((len(automata), len(automata)))
    for i, j in combinations(range(len(automata)), 2):
        distances[i, j] = distances[j, i] = share_differing(automata[i], automata[j], longest)
    return distances


def _agreement(automata: Sequence[Dfa], oracles: Sequence[Oracle], search: Search) -> np.ndarray:
    words = random_words(search.agree, search.symbols, search.longest, "agreement", search.seed)
    shares = []
    for automaton, oracle in zip(automata, oracles, strict=True):
        shares.append(np.mean(automaton.accepts(words) == said_of(oracle, words)))
    return np.array(shares)


def _distinguishing_words(
    automata: Sequence[Dfa], oracles: Sequence[Oracle], sizes: tuple[int, int], search: Search
) -> tuple[DistinguishingWord, ...]:
    """Words that more than half as many models of one recipe as of the other accept, in shares.

    They are found among words that are chosen without looking at whose models are whose.
    """
    words = list(dict.fromkeys(_candidates(automata, search)))
    accepted = np.array([automaton.accepts(words) for automaton in automata])
    differ = (accepted[:, None] != accepted[None]).astype(np.float32)
    p_values = named(differ, sizes, "automata", search.seed).p_values
    n_a = sizes[0]
    apart = np.abs(accepted[:n_a].mean(0) - accepted[n_a:].mean(0)) > 0.5
    found = sorted(np.flatnonzero(apart).tolist(), key=lambda i: (p_values[i], len(words[i])))
    found = found[:SHOWN]
    if not found:
        return ()
    shown = [words[i] for i in found]
    said = np.array([said_of(oracle, shown) for oracle in oracles])
    distinguishing = []
    for place, i in enumerate(found):
        distinguishing.append(
            DistinguishingWord(
                word=words[i],
                accepted_a=int(said[:n_a, place].sum()),
                accepted_b=int(said[n_a:, place].sum()),
                p_value=float(p_values[i]),
            )
        )
    return tuple(distinguishing)


def _candidates(automata: Sequence[Dfa], search: Search) -> Iterator[Word]:
    """The shortest words there are, and the shortest on which each two automata differ."""
    yield from islice(words_up_to(search.longest, search.symbols), SHORT_WORDS)
    for a, b in combinations(automata, 2):
        word = shortest_differing_word(a, b)
        if word is not None:
            yield word
