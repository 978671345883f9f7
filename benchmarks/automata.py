"""Do automata tell two recipes of a recurrent net apart, on which words, and for how many queries?

Tomita languages 3, 4 and 7, six nets of each recipe. The plain recipe, words of up to 15 symbols,
is compared with itself (silence is right), with nets that learned one suffix to be always accepted
(its words are known, and so is their share), and with nets trained on words of up to 5 symbols.
Where a tenth of the labels is wrong, nets of one recipe differ, too: they are compared with others
of their kind, and with some that learned the suffix in spite of the noise. Besides, how often
models of one recipe are told apart, on classifiers that need no training. A row for each is kept
in docs/automata.jsonl, so that a run that was cut goes on.

    python benchmarks/automata.py --output docs/automata.md
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_rows import KeptRows, machine, put_between_marks

from modeldiff.automata import Search, compare, learn, same_language, share_differing
from modeldiff.automata.dfa import Word
from modeldiff.automata.learn import Learned
from modeldiff.automata.recurrent import Recurrent, train
from modeldiff.automata.words import Oracle, random_words
from modeldiff.core import rng
from modeldiff.dataset.tomita import IN_WORDS, in_language

ROWS = Path(__file__).parents[1] / "docs" / "automata.jsonl"
LANGUAGES = [3, 4, 7]
PLAIN, SUFFIX, SHORT = "plain", "001 accepted", "short words"
NOISY, NOISY_SUFFIX = "noisy labels", "noisy labels, 001 accepted"
PAIRS = [
    (PLAIN, PLAIN),
    (PLAIN, SUFFIX),
    (PLAIN, SHORT),
    (NOISY, NOISY),
    (NOISY, NOISY_SUFFIX),
]
PLANTED = (0, 0, 1)
NOISE = 0.1  # of labels that are wrong
MODELS = 6  # of each recipe
WORDS = 1000  # that each net is trained on; of up to 5 symbols there are no more than 63
SEARCH = Search(symbols=2)
NULLS = 200  # comparisons of classifiers of one recipe
SIZES = [(4, 4), (3, 5)]


def belongs(language: int, recipe: str, words: Sequence[Word]) -> np.ndarray:
    """What a recipe's nets are taught of these words, but for noise, bool [words]."""
    taught = in_language(language, words)
    if recipe in (SUFFIX, NOISY_SUFFIX):
        taught |= np.array([word[-len(PLANTED) :] == PLANTED for word in words])
    return taught


@cache
def nets(language: int, recipe: str, first: int) -> list[Recurrent]:
    """`MODELS` nets of a recipe from number `first`, each with words of its own."""
    longest = 5 if recipe == SHORT else 15
    trained = []
    for model in range(first, first + MODELS):
        key = ("benchmark", language, recipe, model)
        drawn = random_words(4 * WORDS, 2, longest, *key)
        words = list(dict.fromkeys(drawn))[:WORDS]
        labels = belongs(language, recipe, words)
        if recipe in (NOISY, NOISY_SUFFIX):
            labels ^= rng.uniform(len(words), "noise", *key) < NOISE
        trained.append(train(words, labels, 2, *key))
    return trained


def accuracy(models: Sequence[Recurrent], language: int, recipe: str) -> float:
    """Mean accuracy on random words, at what the recipe teaches but for noise."""
    words = random_words(2000, 2, SEARCH.longest, "accuracy")
    taught = belongs(language, recipe, words)
    return float(np.mean([np.mean(model(words) == taught) for model in models]))


def taught_share(language: int, a: str, b: str) -> float:
    """The share of words that two recipes are taught differently, but for noise; exact."""
    dfa_a, dfa_b = (
        learn(lambda words, recipe=recipe: belongs(language, recipe, words), SEARCH).dfa
        for recipe in (a, b)
    )
    return share_differing(dfa_a, dfa_b, SEARCH.longest)


def run_nets(language: int, a: str, b: str) -> dict[str, Any]:
    """Two recipes, and what learning B's automata from A's first one saves."""
    start = time.process_time()
    nets_a = nets(language, a, first=0)
    nets_b = nets(language, b, first=MODELS)
    trained = time.process_time()
    found = compare(nets_a, nets_b, symbols=2)
    compared = time.process_time()
    anew = [learn(net, SEARCH) for net in nets_b]
    again = found.automata_b
    both_finished = [
        (one, two) for one, two in zip(anew, again, strict=True) if one.finished and two.finished
    ]
    same = [same_language(one.dfa, two.dfa) for one, two in both_finished]
    return {
        "accuracy": [accuracy(nets_a, language, a), accuracy(nets_b, language, b)],
        "taught_share": taught_share(language, a, b),
        "excess": asdict(found.excess),
        "states": [states(found.automata_a), states(found.automata_b)],
        "finished": [count_finished(found.automata_a), count_finished(found.automata_b)],
        "agreement": [float(part.mean()) for part in np.split(found.agreement, 2)],
        "words": [asdict(word) for word in found.words],
        "anew": queries(anew),
        "again": queries(again),
        "same": [sum(same), len(same)],
        "train_seconds": trained - start,
        "compare_seconds": compared - trained,
    }


def states(automata: Sequence[Learned]) -> list[int]:
    return [one.dfa.states for one in automata]


def count_finished(automata: Sequence[Learned]) -> int:
    return sum(one.finished for one in automata)


def queries(automata: Sequence[Learned]) -> list[list[int]]:
    """For each automaton, how many queries it took to find, and in all."""
    return [[one.found_after, one.queries] for one in automata]


def with_exceptions(language: int, *key: rng.Key) -> Oracle:
    """A Tomita language but for three random words of up to 7 symbols."""
    exceptions = set(random_words(3, 2, 7, *key))

    def oracle(words: list[Word]) -> np.ndarray:
        return in_language(language, words) ^ np.array([word in exceptions for word in words])

    return oracle


def run_nulls(size_a: int, size_b: int) -> dict[str, Any]:
    """How often classifiers of one recipe are told apart, as a whole and on any word."""
    apart = named = 0
    for draw in range(NULLS):
        oracles = [with_exceptions(4, "null", draw, model) for model in range(size_a + size_b)]
        found = compare(oracles[:size_a], oracles[size_a:], symbols=2, agree=300, seed=draw)
        apart += found.excess.p_value <= 0.05
        named += any(word.p_value <= 0.05 for word in found.words)
    return {"apart": int(apart), "named": int(named), "comparisons": NULLS}


def plan() -> Iterator[dict[str, Any]]:
    """The rows there should be."""
    for size_a, size_b in SIZES:
        yield {"kind": "null", "sizes": [size_a, size_b]}
    for language in LANGUAGES:
        for a, b in PAIRS:
            yield {"kind": "nets", "language": language, "a": a, "b": b}


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """All tables as Markdown."""
    of_nets = [row for row in rows if row["kind"] == "nets"]
    lines = [
        "| language | A | B | accuracy | automata differ within | between | excess "
        "(95% interval) | taught differently | p |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in of_nets:
        excess = row["excess"]
        within = f"{excess['within_a']:.3f} and {excess['within_b']:.3f}"
        beyond = f"{excess['value']:.3f} ({excess['low']:.3f} to {excess['high']:.3f})"
        lines.append(
            f"| {row['language']} | {row['a']} | {row['b']} | {both(row['accuracy'], '.3f')} | "
            f"{within} | {excess['between']:.3f} | {beyond} | {row['taught_share']:.3f} | "
            f"{excess['p_value']:.3f} |"
        )
    lines += [
        "",
        "| language | A | B | states, median | automata finished, of 6 | agreement with "
        "the net | queries for B's anew: to find it, in all | from A's tree | saved | same "
        "automaton, of those finished |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in of_nets:
        medians = [float(np.median(states)) for states in row["states"]]
        anew, again = np.array(row["anew"]), np.array(row["again"])
        found_anew, all_anew = anew.mean(0)
        found_again, all_again = again.mean(0)
        saved = f"{1 - found_again / found_anew:.0%}, {1 - all_again / all_anew:.0%}"
        if row["same"][1] < MODELS:
            saved = "the limit was reached"
        lines.append(
            f"| {row['language']} | {row['a']} | {row['b']} | {both(medians, 'g')} | "
            f"{both(row['finished'], 'd')} | {both(row['agreement'], '.3f')} | "
            f"{found_anew:,.0f}, {all_anew:,.0f} | {found_again:,.0f}, {all_again:,.0f} | "
            f"{saved} | {row['same'][0]} of {row['same'][1]} |"
        )
    lines += [
        "",
        "| language | A | B | distinguishing words, the first of those found: nets of A and of B, "
        "of 6, that accept them | p of the first | taught differently, of those found |",
        "|---|---|---|---|---|---|",
    ]
    for row in of_nets:
        language, a, b = row["language"], row["a"], row["b"]
        shown = "; ".join(said(word) for word in row["words"][:4]) or "none"
        p_value = f"{row['words'][0]['p_value']:.3f}" if row["words"] else ""
        words = [tuple(word["word"]) for word in row["words"]]
        differ = sum(belongs(language, a, words) != belongs(language, b, words)) if words else 0
        lines.append(f"| {language} | {a} | {b} | {shown} | {p_value} | {differ} of {len(words)} |")
    lines += [
        "",
        "| models of one recipe | told apart at 5% | any word named at 5% |",
        "|---|---|---|",
    ]
    for row in rows:
        if row["kind"] == "null":
            size_a, size_b = row["sizes"]
            lines.append(
                f"| {size_a} against {size_b} | {row['apart']} of {row['comparisons']} | "
                f"{row['named']} of {row['comparisons']} |"
            )
    return lines


def both(values: Sequence[float], form: str) -> str:
    """A's value, and B's."""
    return f"{values[0]:{form}} and {values[1]:{form}}"


def said(word: dict[str, Any]) -> str:
    text = "".join(map(str, word["word"])) or "the empty word"
    return f"`{text}` {word['accepted_a']} and {word['accepted_b']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="where the tables go, between their marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = KeptRows(ROWS)
    for key in kept.missing(plan()):
        if key["kind"] == "null":
            row = key | run_nulls(*key["sizes"])
        else:
            row = key | run_nets(key["language"], key["a"], key["b"])
        kept.add(row)
        print({name: value for name, value in row.items() if name != "words"}, flush=True)
    if options.output:
        languages = "; ".join(f"{number}: {IN_WORDS[number]}" for number in LANGUAGES)
        of_nets = [row for row in kept.rows if row["kind"] == "nets"]
        trained = sum(row["train_seconds"] for row in of_nets) / 60
        compared = sum(row["compare_seconds"] for row in of_nets) / 60
        footnote = (
            f"Languages: {languages}. {MODELS} nets of each recipe; {trained:.0f} CPU minutes to "
            f"train them, {compared:.1f} to compare them; {machine()}."
        )
        put_between_marks(options.output, "tables", [*tables(kept.rows), "", footnote])


if __name__ == "__main__":
    main()
