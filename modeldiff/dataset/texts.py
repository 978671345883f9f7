"""Texts: files of JSON Lines, kept as the bytes of their UTF-8."""

from modeldiff.dataset import json_lines
from modeldiff.dataset.raw import Raw
from modeldiff.study.kinds import TEXT, encoded


def texts(
    *,
    text: str = "text",
    label: str = "label",
    length: int = 256,
    path: str | None = None,
    train: str | None = None,
    test: str | None = None,
    test_share: float = 0.25,
) -> Raw:
    """Texts of JSON Lines files: an object on each line, e.g. `{"text": "...", "label": "..."}`.

    text, label: the keys. length: bytes that are kept of a text. path: one file, of which a random
    share of the texts, `test_share`, is for tests; or train and test: a file each. Texts keep their
    order; classes are the labels, sorted.
    Raises UserError, one line, for a file that is something else.
    """
    files = json_lines.Files(
        path=path,
        train=train,
        test=test,
        test_share=test_share,
        example=text,
        label=label,
        allowed=lambda value: isinstance(value, str),
        wanted="text",
    )
    found = json_lines.read(files, TEXT)
    return found.raw(encoded(found.examples, length), TEXT)
