"""Sequences of symbols: files of JSON Lines, and words of Tomita's languages.

Symbol i of the alphabet is kept as the byte i + 1, and what follows a sequence as 0.
"""

from typing import Any

import numpy as np

from modeldiff.core import rng
from modeldiff.core.errors import UserError
from modeldiff.dataset import json_lines
from modeldiff.dataset.raw import Images, Raw
from modeldiff.dataset.tomita import in_language
from modeldiff.study.kinds import SEQUENCE
from modeldiff.study.symbols import MOST_SYMBOLS, coded, symbols_of


def sequences(
    *,
    sequence: str = "sequence",
    label: str = "label",
    length: int | None = None,
    path: str | None = None,
    train: str | None = None,
    test: str | None = None,
    test_share: float = 0.25,
) -> Raw:
    """Sequences of JSON Lines files, e.g. `{"sequence": "0110", "label": "yes"}` on each line.

    A sequence is a text, each letter of which is a symbol, or a list of symbols, which are texts or
    whole numbers. sequence, label: the keys. length: symbols that are kept of a sequence; None: of
    all, as many as the longest has. Else as `texts`. The alphabet is what occurs, shorter symbols
    first, so that whole numbers rise.
    Raises UserError, one line, for a file that is something else, or for too many symbols.
    """
    files = json_lines.Files(
        path=path,
        train=train,
        test=test,
        test_share=test_share,
        example=sequence,
        label=label,
        allowed=_is_sequence,
        wanted="text or a list of symbols",
    )
    found = json_lines.read(files, SEQUENCE)
    named = [symbols_of(example) for example in found.examples]
    alphabet = sorted(set().union(*named), key=lambda symbol: (len(symbol), symbol))
    if not 1 <= len(alphabet) <= MOST_SYMBOLS:
        what = f"sequences are of {len(alphabet)} different symbols"
        raise UserError(f"dataset: {what}; must be 1 to {MOST_SYMBOLS}")
    places = {symbol: place for place, symbol in enumerate(alphabet)}
    words = []
    for symbols in named:
        words.append([places[symbol] for symbol in symbols])
    kept = length or max(map(len, words))
    return found.raw(coded(words, kept), SEQUENCE, tuple(alphabet))


def _is_sequence(value: Any) -> bool:
    if isinstance(value, str):
        return True
    if not isinstance(value, list):
        return False
    return all(isinstance(symbol, str | int) and symbol != "" for symbol in value)


def tomita(*, language: int, train: int = 1000, test: int = 400, longest: int = 15) -> Raw:
    """Random words over 0 and 1, and whether they belong to one of Tomita's languages, 1 to 7.

    train, test: how many. Lengths are uniform from 0 to `longest`; short words come more than once.
    """
    n = train + test
    lengths = (rng.uniform(n, "tomita", "lengths") * (longest + 1)).astype(np.int64)
    symbols = (rng.uniform(n * longest, "tomita", "symbols") * 2).astype(np.int64)
    words = []
    for row, kept in zip(symbols.reshape(n, longest).tolist(), lengths.tolist(), strict=True):
        words.append(tuple(row[:kept]))
    labels = in_language(language, words).astype(np.int64)
    content = coded(words, longest)
    return Raw(
        train=Images(content[:train], labels[:train]),
        test=Images(content[train:], labels[train:]),
        classes=("no", "yes"),
        kind=SEQUENCE.name,
        alphabet=("0", "1"),
    )
