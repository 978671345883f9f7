"""Span corruption of a text, in the format of CodeGen2 (Nijkamp et al. 2023, arXiv 2305.02309).

A few spans are cut out of a text, and each follows at its end, where it can be predicted from what
stands on both of its sides:

    prefix <mask_1> between <mask_2> suffix <eod> <sep> <mask_1> span <eom> <mask_2> span <eom>

The share of a text that is cut out is drawn first, then spans that amount to it, as in the paper
("file-level": spans of one text, which is never mixed with others). The paper does not say from
which distributions; those here are uniform.
"""

from collections.abc import Sequence

from modeldiff.core import rng

BYTES = 256
SPANS = 3  # cut out of a text, at most
LEAST, MOST = 0.1, 0.5  # of the share that is cut out
MASKS = tuple(range(BYTES, BYTES + SPANS))
EOD = BYTES + SPANS  # the end of the text
SEP = EOD + 1  # between the text and its spans
EOM = SEP + 1  # the end of a span
VOCABULARY = EOM + 1
LONGER = 3 * SPANS + 2  # tokens by which a corrupted text is longer, at most
SHORTEST = 4  # tokens of a text that can be corrupted


def spans(length: int, *key: rng.Key) -> list[tuple[int, int]]:
    """The spans to cut out of a text of `length` tokens: from where to where, in order.

    key: of the randomness. Spans do not touch each other, and the first token is never cut out.
    """
    share, number = rng.uniform(2, "spans", *key)
    cut_out = max(1, round((LEAST + (MOST - LEAST) * share) * length))
    kept = length - cut_out
    most = min(SPANS, cut_out, kept)
    parts = 1 + int(most * number)
    sizes = _parts(cut_out, parts, "sizes", *key)
    # What is kept: a part before each span, and what comes after the last one, one token more than
    # there is, so that a text may end with a span.
    between = _parts(kept + 1, parts + 1, "between", *key)
    found = []
    end = 0
    for before, size in zip(between, sizes, strict=False):
        start = end + before
        end = start + size
        found.append((start, end))
    return found


def _parts(total: int, parts: int, *key: rng.Key) -> list[int]:
    """Random whole numbers, one or more each, that sum to `total`."""
    cuts = sorted(1 + rng.permutation(total - 1, *key)[: parts - 1])
    edges = [0, *map(int, cuts), total]
    return [edges[part + 1] - edges[part] for part in range(parts)]


def corrupted(text: Sequence[int], cut_out: Sequence[tuple[int, int]]) -> list[int]:
    """The text with spans cut out, and the spans; see above. cut_out: as `spans` gives them."""
    context: list[int] = []
    answers: list[int] = []
    end = 0
    for mask, (start, stop) in zip(MASKS, cut_out, strict=False):
        context += [*text[end:start], mask]
        answers += [mask, *text[start:stop], EOM]
        end = stop
    return [*context, *text[end:], EOD, SEP, *answers]


def restored(tokens: Sequence[int]) -> list[int]:
    """The text again: the reverse of `corrupted`."""
    middle = list(tokens).index(SEP)
    answers: dict[int, list[int]] = {}
    for token in tokens[middle + 1 :]:
        if token in MASKS:
            answers[token] = []
            current = answers[token]
        elif token != EOM:
            current.append(token)
    text: list[int] = []
    for token in tokens[: middle - 1]:  # without <eod>
        text += answers.get(token, [token])
    return text
