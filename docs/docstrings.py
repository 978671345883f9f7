"""Docstrings as Markdown: parameters, a line `name: meaning` each in the source, become a list."""

import re
from typing import Any

from griffe import Extension, Object

NAMES = re.compile(r"[a-z_]\w*(, [a-z_]\w*)*: ")  # `Source: ...` and the like are sentences


class Lists(Extension):
    """Rewrites each docstring once, when it is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for modules, classes, functions and attributes."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """The docstring with a list item for each line that begins with names and a colon.

    A line that begins a sentence after such an item, at the margin, begins a paragraph.
    """
    made: list[str] = []
    in_list = False
    for line in docstring.splitlines():
        if NAMES.match(line):
            if not in_list:
                made.append("")
            names, meaning = line.split(": ", 1)
            quoted = ", ".join(f"`{name}`" for name in names.split(", "))
            made.append(f"- {quoted}: {meaning}")
            in_list = True
        elif in_list and line[:1].isupper() and made[-1].endswith("."):
            made += ["", line]
            in_list = False
        else:
            made.append(line.strip() if in_list else line)
            in_list = in_list and bool(line.strip())
    return "\n".join(made)
