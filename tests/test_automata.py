"""Automata: against AALpy, against all words counted one by one, and on planted differences."""

from itertools import groupby, pairwise

import numpy as np
import pytest
from aalpy import (
    AutomatonSUL,
    DfaState,
    PerfectKnowledgeEqOracle,
    TomitaSUL,
    bisimilar,
    run_KV,
)
from aalpy import Dfa as PeerDfa

from modeldiff.automata import (
    Dfa,
    Search,
    compare,
    differing_words,
    learn,
    relearn,
    same_language,
    share_differing,
    shortest_differing_word,
)
from modeldiff.automata.dfa import words_up_to
from modeldiff.automata.words import Answers, TooManyQueries, random_words
from modeldiff.core.errors import UserError
from modeldiff.dataset.tomita import STATES, in_language

BINARY = Search(symbols=2)
LANGUAGES = range(1, 8)


def random_dfa(seed, states=8, symbols=2):
    random = np.random.default_rng(seed)
    transitions = random.integers(0, states, (states, symbols))
    return Dfa(transitions=transitions, accepting=random.random(states) < 0.4)


def peer(dfa):
    """The same automaton as AALpy's."""
    states = [DfaState(str(i), bool(accepting)) for i, accepting in enumerate(dfa.accepting)]
    for state, row in zip(states, dfa.transitions.tolist(), strict=True):
        state.transitions = {symbol: states[after] for symbol, after in enumerate(row)}
    return PeerDfa(states[0], states)


def tomita(language):
    return lambda words: in_language(language, words)


def by_hand(belongs):
    """An oracle of a function of one word."""
    return lambda words: [belongs(word) for word in words]


@pytest.mark.parametrize("seed", range(6))
def test_a_random_automaton_is_learned_as_by_aalpy(seed):
    symbols = 2 + seed % 2
    truth = random_dfa(seed, states=12, symbols=symbols)
    found = learn(truth.accepts, Search(symbols=symbols))
    sul = AutomatonSUL(peer(truth))
    alphabet = list(range(symbols))
    exact = PerfectKnowledgeEqOracle(alphabet, sul, peer(truth))
    theirs = run_KV(alphabet, sul, exact, automaton_type="dfa", print_level=0)
    assert bisimilar(peer(found.dfa), theirs)
    assert found.dfa.states == theirs.size
    assert found.finished


@pytest.mark.parametrize("language", LANGUAGES)
def test_tomita_languages_are_learned_with_their_smallest_automata(language):
    found = learn(tomita(language), BINARY)
    assert (found.dfa.states, found.finished) == (STATES[language], True)
    words = list(words_up_to(10, 2))
    assert np.array_equal(found.dfa.accepts(words), in_language(language, words))


@pytest.mark.parametrize("language", [1, 2, 4, 5, 6, 7])
def test_tomita_languages_are_those_of_aalpy(language):
    sul = TomitaSUL(language)
    words = list(words_up_to(8, 2))
    assert in_language(language, words).tolist() == [sul.query(word)[-1] for word in words]


def test_the_third_language_by_runs():
    """AALpy's third language allows other runs in between, which Tomita's does not."""
    for word in words_up_to(9, 2):
        runs = [(symbol, len(list(run))) for symbol, run in groupby(word)]
        broken = any(
            first == 1 and length % 2 and next_length % 2
            for (first, length), (_, next_length) in pairwise(runs)
        )
        assert in_language(3, [word])[0] == (not broken)


@pytest.mark.parametrize("seed", range(10))
def test_the_smallest_automaton_is_that_of_aalpy(seed):
    dfa = random_dfa(seed, states=15)
    swap = np.array([0, 15])  # each state twice; symbol 1 leads to the other copy
    copies = np.vstack([dfa.transitions + swap, dfa.transitions + swap[::-1]])
    doubled = Dfa(transitions=copies, accepting=np.tile(dfa.accepting, 2))
    smallest = doubled.minimal()
    theirs = peer(dfa)
    start = theirs.initial_state
    theirs.states = [s for s in theirs.states if theirs.get_shortest_path(start, s) is not None]
    theirs.minimize()
    assert smallest.states == len(theirs.states)
    assert bisimilar(peer(smallest), peer(dfa))
    assert same_language(dfa, doubled)


@pytest.mark.parametrize("seed", range(10))
def test_differences_of_two_automata_are_exact(seed):
    a, b = random_dfa(seed, 5), random_dfa(seed + 100, 6)
    words = list(words_up_to(9, 2))
    differ = [word for word in words if a.accepts([word])[0] != b.accepts([word])[0]]
    assert list(differing_words(a, b, 9)) == differ
    shortest = shortest_differing_word(a, b)
    assert shortest == (differ[0] if differ else None)
    of_length = np.zeros(10)
    for word in differ:
        of_length[len(word)] += 1 / 2 ** len(word)
    assert share_differing(a, b, 9) == pytest.approx(of_length.mean(), abs=1e-12)


def test_random_words_are_uniform_in_length_and_symbols():
    words = random_words(20_000, 3, 4, "test")
    lengths = np.bincount([len(word) for word in words]) / len(words)
    assert lengths == pytest.approx([0.2] * 5, abs=0.01)
    symbols = np.bincount([symbol for word in words for symbol in word])
    assert symbols / symbols.sum() == pytest.approx([1 / 3] * 3, abs=0.01)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unchanged_classifier_costs_next_to_nothing(language):
    """Beginning with the right tree, no counterexample is needed."""
    before = learn(tomita(language), BINARY)
    again = relearn(tomita(language), before, BINARY)
    assert same_language(again.dfa, before.dfa)
    transitions = STATES[language] * 2
    asked_of_each = STATES[language]  # suffixes from the root to a leaf, at most
    assert again.found_after <= (transitions + STATES[language]) * asked_of_each
    if STATES[language] > 2:
        assert again.found_after < before.found_after


@pytest.mark.parametrize("seed", range(6))
def test_from_whatever_tree_the_same_automaton_is_learned(seed):
    """States that are none any more are pruned, and new ones are found."""
    old, new = random_dfa(seed, 12), random_dfa(seed + 50, 9)
    again = relearn(new.accepts, learn(old.accepts, BINARY), BINARY)
    assert same_language(again.dfa, new)
    assert len(again.tree.leaves) == new.minimal().states


def test_suffixes_that_tell_nothing_apart_are_pruned():
    before = learn(tomita(3), BINARY)
    assert any(child.state is None for child in before.tree.root.children.values())
    again = relearn(by_hand(lambda word: True), before, BINARY)
    assert (again.dfa.states, len(again.tree.leaves)) == (1, 1)
    assert again.tree.root.children == {True: again.tree.leaves[0]}
    assert len(before.tree.leaves) == STATES[3]  # which is left as it was


def test_a_small_change_costs_fewer_queries_than_a_new_start():
    anew, again = [], []
    for seed in range(10):
        old = random_dfa(seed, 20)
        changed = old.transitions.copy()
        changed[seed, 0] = (changed[seed, 0] + 1) % 20
        new = Dfa(transitions=changed, accepting=old.accepting)
        anew.append(learn(new.accepts, BINARY))
        again.append(relearn(new.accepts, learn(old.accepts, BINARY), BINARY))
        assert same_language(anew[-1].dfa, again[-1].dfa)
    assert sum(one.found_after for one in again) < sum(one.found_after for one in anew) / 1.5


def test_no_word_is_asked_twice_and_all_are_counted():
    asked = []

    def oracle(words):
        asked.extend(words)
        return in_language(5, words)

    found = learn(oracle, BINARY)
    assert len(asked) == len(set(asked)) == found.queries
    assert found.found_after < found.queries - 500


@pytest.mark.parametrize("seed", range(5))
def test_an_automaton_contradicts_no_answer(seed):
    """Even with hardly any random words; answers that only sorted words count, too."""
    truth = random_dfa(seed, 20)
    asked = []

    def oracle(words):
        asked.extend(words)
        return truth.accepts(words)

    found = learn(oracle, Search(symbols=2, agree=2))
    assert np.array_equal(found.dfa.accepts(asked), truth.accepts(asked))


def test_the_limit_of_queries_is_kept_where_no_automaton_is_right():
    """As many 0s as 1s: no finite automaton counts that far."""
    equal = by_hand(lambda word: 2 * sum(word) == len(word))
    found = learn(equal, Search(symbols=2, limit=600))
    assert not found.finished
    assert found.queries <= 600
    assert found.dfa.states > 3
    with pytest.raises(TooManyQueries):
        Answers(equal, 1).ask([(0,), (1,)])


def test_an_automaton_survives_json():
    dfa = random_dfa(3)
    read = Dfa.from_json(dfa.to_json())
    assert np.array_equal(read.transitions, dfa.transitions)
    assert np.array_equal(read.accepting, dfa.accepting)
    for bad in ("[", "{}", '{"transitions": [[1]], "accepting": [true]}'):
        with pytest.raises(UserError):
            Dfa.from_json(bad)
    for bad in ([[0], [0, 1]], [[0.5]], []):
        with pytest.raises(UserError):
            Dfa.from_json(f'{{"transitions": {bad}, "accepting": [true]}}')


def test_the_drawing_names_states_and_symbols():
    dfa = learn(tomita(1), BINARY).dfa
    drawn = dfa.dot(['say "a"', "b"])
    assert '0 -> 0 [label="b"];' in drawn
    assert '0 -> 1 [label="say \\"a\\""];' in drawn
    assert '1 -> 1 [label="say \\"a\\", b"];' in drawn
    assert "0 [shape=doublecircle];" in drawn


def with_exceptions(language, seed, suffix=None):
    """A classifier of a recipe: a language but for two words of the model's own."""
    exceptions = random_words(2, 2, 7, "exceptions", seed)

    def belongs(word):
        if suffix and word[-len(suffix) :] == suffix:
            return True
        return bool(in_language(language, [word])[0]) ^ (word in exceptions)

    return by_hand(belongs)


def test_a_planted_suffix_is_found_and_named():
    suffix = (0, 0, 0, 1)
    a = [with_exceptions(4, model) for model in range(4)]
    b = [with_exceptions(4, 10 + model, suffix) for model in range(4)]
    found = compare(a, b, symbols=2)
    assert found.excess.p_value == pytest.approx(2 / 70)
    plain, planted = (learn(with_oracle, BINARY).dfa for with_oracle in (a[0], b[0]))
    truth = share_differing(plain, planted, BINARY.longest)
    assert found.excess.between == pytest.approx(truth, abs=0.03)
    assert found.words[0].word == suffix  # the shortest that ends so
    assert (found.words[0].accepted_a, found.words[0].accepted_b) == (0, 4)
    named = [one.word for one in found.words if one.p_value <= 0.05]
    assert len(named) >= 5
    assert all(word[-4:] == suffix for word in named)
    assert (found.agreement >= 0.99).all()


def test_models_of_one_recipe_are_seldom_told_apart():
    told_apart = 0
    for draw in range(20):
        models = [with_exceptions(4, 100 * draw + model) for model in range(8)]
        found = compare(models[:4], models[4:], symbols=2, longest=8, agree=200, seed=draw)
        told_apart += found.excess.p_value <= 0.05
        assert all(abs(one.accepted_a - one.accepted_b) > 2 for one in found.words)
    assert told_apart <= 4  # 1 expected; 5 or more in 3 of 1,000 such tests


def test_mistakes_are_one_line():
    three = [tomita(1)] * 3
    with pytest.raises(UserError, match="oracles_b: are 2; must be 3 or more"):
        compare(three, three[:2], symbols=2)
    with pytest.raises(UserError, match="symbols: is 0; must be 1 or more"):
        compare(three, three, symbols=0)
    with pytest.raises(UserError, match=r"are float64 \[1\]; must be a bool for each of 1 words"):
        learn(lambda words: [1.0] * len(words), BINARY)
    of_three = random_dfa(0, symbols=3)
    with pytest.raises(UserError, match="of 2 and 3 symbols"):
        share_differing(random_dfa(0), of_three, 5)
