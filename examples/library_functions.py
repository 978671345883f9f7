"""Programming and natural language that every machine has: Python's own library.

Functions without their docstrings, and docstrings, each text with its language as the label. The
first letter says it, too, for a language model: `>` begins code, `#` prose.
`config/lm-objectives.yaml` is a study of this file.
"""

import ast
import json
import random
import sysconfig
from pathlib import Path

FEWEST, EACH = 60, 300  # letters of a text; texts of each language
TAGS = {"code": ">", "prose": "#"}
LIBRARY = Path(sysconfig.get_path("stdlib"))

found: dict[str, set[str]] = {"code": set(), "prose": set()}
for path in sorted(LIBRARY.glob("*.py")):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                found["prose"].add(" ".join(docstring.split()))
                node.body = node.body[1:] or [ast.Pass()]
            found["code"].add(ast.unparse(node))

chosen = []
for label, texts in found.items():
    long_enough = sorted(text for text in texts if len(text) >= FEWEST)
    for text in random.Random(0).sample(long_enough, EACH):
        chosen.append({"text": TAGS[label] + text, "label": label})
random.Random(0).shuffle(chosen)
with open("library_functions.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps(entry) + "\n" for entry in chosen)
print(f"library_functions.jsonl: {len(chosen)} texts, for example {chosen[0]}")
