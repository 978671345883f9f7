"""Parts named in a config: built in, or a user's own by import path `package.module:function`."""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modeldiff.core.errors import UserError
from modeldiff.study import user_code


@dataclass(frozen=True)
class Component:
    """A part named in the config (built in, or by import path) and its options."""

    name: str
    options: dict[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any], *own: str) -> "Component":
        """From a config entry; the keys `own` belong to the entry itself, not to the part."""
        options = {k: v for k, v in entry.items() if k != "name" and k not in own}
        return cls(entry["name"], options)


def load(path: str) -> Callable[..., Any]:
    """Import `package.module:name`, from the current folder or the installed packages.

    `sklearn:linear_model.LogisticRegression` is `sklearn.linear_model:LogisticRegression`.
    """
    package, _, name = path.partition(":")
    inside, _, name = name.rpartition(".")
    module_name = f"{package}.{inside}" if inside else package
    search_current_folder()
    with user_code.running(path, begin=f"cannot import {path!r}"):
        part = getattr(importlib.import_module(module_name), name)
    if not callable(part):
        raise UserError(f"{path!r} is not a function: its type is {type(part).__name__}")
    return part


def search_current_folder() -> None:
    """Let modules be found there: as `python -m` has it, but Snakemake's own process has not."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def find(name: str, built_in: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The built-in part of that name, or the user's own."""
    return built_in[name] if name in built_in else load(name)
