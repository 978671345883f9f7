"""Texts that every machine has, as a file of JSON Lines: Python's own library.

Docstrings and comments of its modules, each text with its kind as the label. `config/texts.yaml`
is a study of this file.
"""

import ast
import io
import json
import random
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

FEWEST, EACH = 40, 600  # letters of a text; texts of each label
LIBRARY = Path(sysconfig.get_path("stdlib"))


def docstrings(source: str) -> Iterator[str]:
    """The docstrings of functions and classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def comments(source: str) -> Iterator[str]:
    """Comments, those on successive lines as one."""
    lines: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            before = lines.pop(token.start[0] - 1, "")
            lines[token.start[0]] = f"{before} {token.string.lstrip('# ')}".strip()
    yield from lines.values()


found: dict[str, list[str]] = {"docstring": [], "comment": []}
for path in sorted(LIBRARY.glob("*.py")):
    source = path.read_text(encoding="utf-8")
    for label, texts in (("docstring", docstrings(source)), ("comment", comments(source))):
        found[label] += [" ".join(text.split()) for text in texts if len(text) >= FEWEST]

chosen = []
for label, texts in found.items():
    for text in random.Random(0).sample(sorted(set(texts)), EACH):
        chosen.append({"text": text, "label": label})
random.Random(0).shuffle(chosen)
with open("library_texts.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps(entry) + "\n" for entry in chosen)
print(f"library_texts.jsonl: {len(chosen)} texts, for example {chosen[0]}")
