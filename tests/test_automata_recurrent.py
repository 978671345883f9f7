"""Recurrent nets as oracles."""

import numpy as np
import pytest
import torch

from modeldiff.automata import Search, learn, same_language
from modeldiff.automata.dfa import words_up_to
from modeldiff.automata.recurrent import Recurrent, train
from modeldiff.automata.words import random_words
from modeldiff.dataset.tomita import STATES, in_language


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    words = random_words(400, 2, 10, "training")
    return train(words, in_language(4, words), 2, "test", epochs=20), words


def test_the_automaton_of_a_trained_net_is_that_of_the_language(trained):
    net, _ = trained
    found = learn(net, Search(symbols=2, longest=10))
    assert found.finished
    assert found.dfa.states == STATES[4]
    words = list(words_up_to(8, 2))
    assert np.array_equal(found.dfa.accepts(words), in_language(4, words))


def test_answers_may_be_a_tensor(trained):
    net, _ = trained
    search = Search(symbols=2, longest=10)
    found = learn(lambda words: torch.from_numpy(net(words)), search)
    assert same_language(found.dfa, learn(net, search).dfa)


def test_an_answer_does_not_depend_on_the_other_words():
    torch.manual_seed(0)
    net = Recurrent(2)
    words = list(words_up_to(4, 2))
    together = net.log_odds(*net.pad(words))
    alone = torch.cat([net.log_odds(*net.pad([word])) for word in words])
    assert torch.allclose(together, alone, atol=1e-6)
    assert net(words).tolist() == (together > 0).tolist()


def test_the_same_key_trains_the_same_net():
    words = random_words(60, 2, 6, "few")
    labels = in_language(1, words)
    first, second = (train(words, labels, 2, "key", epochs=2) for _ in range(2))
    other = train(words, labels, 2, "another", epochs=2)
    assert torch.equal(first.out.weight, second.out.weight)
    assert not torch.equal(first.out.weight, other.out.weight)
