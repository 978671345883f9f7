"""Every path that a command takes, given what is no such file: a line and exit code 1, or usage."""

import os
import socket

import click
import hostile
import pytest

from modeldiff.cli import main
from modeldiff.cli.options import Config, Given

PLAIN = {"algorithm": "plain", "name": "new", "classes": "1,2", "models": "0:10"}


def make(kind):
    """Something that stands where a file is expected; its path."""
    if kind == "folder":
        os.mkdir("given")
    elif kind == "pipe":
        os.mkfifo("given")
    elif kind == "empty":
        open("given", "w").close()
    elif kind == "binary":
        with open("given", "wb") as file:
            file.write(bytes(range(256)) * 10)
    elif kind == "link to itself":
        os.symlink("given", "given")
    elif kind == "name that is no text":
        with open(os.fsdecode(b"given-\xff"), "wb") as file:
            file.write(b"\xff")
        return os.fsdecode(b"given-\xff")
    elif kind == "socket":  # a device would do, but root could write over a real one
        socket.socket(socket.AF_UNIX).bind("given")
    other = {"NUL": "a\0b", "long name": "x" * 300, "long path": "x/" * 3000}
    other |= {"line break": "a\nb", "below a file": "study.yaml/x"}
    return other.get(kind, "given")


KINDS = (
    "folder", "pipe", "empty", "binary", "link to itself", "name that is no text", "socket", "NUL",
    "long name", "long path", "line break", "below a file", "missing",
)  # fmt: skip


def words_of(command, tried, path):
    """A command line in which the parameter `tried` is `path`; all others are as they may be."""
    words = []
    for param in command.params:
        if param is tried:
            values = [path] * max(param.nargs, 1)
        elif not param.required:
            continue
        elif isinstance(param.type, Config):
            values = ["study.yaml"]
        elif param.name == "pair":
            values = ["plain", "masked"]
        elif isinstance(param.type, Given):
            values = [f"{param.name}.out" if param.type.written else "missing"]
            values *= max(param.nargs, 1)
        else:
            values = [PLAIN.get(param.name, "1")] * max(param.nargs, 1)
        words += values if isinstance(param, click.Argument) else [param.opts[0], *values]
    return words


def tries():
    for name, command in main.commands.items():
        for param in command.params:
            if isinstance(param.type, Config | Given):
                yield name, param


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_is_no_file_is_a_line(kind, tmp_path, monkeypatch):
    refused = []
    for number, (name, param) in enumerate(tries()):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        with open("study.yaml", "w") as file:
            file.write(hostile.text_of(hostile.base()))
        words = words_of(main.commands[name], param, make(kind))
        how, said = hostile.judge_words(name, *words)
        if param.type.__class__ is Given and param.type.written and how != "refused":
            continue  # it may well be written there
        assert how in ("refused", "exit code 2"), (name, param.name, how, said)
        refused.append(name)
    assert len(refused) > 20
