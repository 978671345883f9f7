"""What of a user's code a part is made of: comments do not count, whatever it uses does."""

import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from modeldiff.study import user_sources

MINE = '''
"""My study."""
import torch
from torch import nn

from helpers.losses import loss  # a comment
from helpers import steps

RATE = 0.01

class Net(nn.Module):
    """A net."""
    def forward(self, x):
        return x

def data():
    return torch.zeros(3)

def model(shape, classes):
    return Net()

def train(module, images, labels, seed):
    """Trains."""
    module.eval()
    return loss(RATE) + steps.one()

def corner(images, strength):
    from helpers.drawing import draw
    return draw(images)

if __name__ == "__main__":
    print(train)
'''
LOSSES = """
from . import numbers
def loss(x):
    return scaled(x)
def scaled(x):
    return x * numbers.FACTOR
def unused(x):
    return 0
"""
FILES = {
    "helpers/__init__.py": "",
    "helpers/losses.py": LOSSES,
    "helpers/numbers.py": "FACTOR = 2",
    "helpers/steps.py": "def one():\n    return 1",
    "helpers/drawing.py": "def draw(images):\n    return images",
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Fingerprints of a part of mine.py, after an edit of a file: text that is replaced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's, which would be read
    for path in FILES:
        (tmp_path / path).parent.mkdir(exist_ok=True)

    def fingerprints(part, file="", old="", new=""):
        for path, text in (FILES | {"mine.py": MINE}).items():
            if path == file:
                assert old in text
                text = text.replace(old, new)
            (tmp_path / path).write_text(text)
        return user_sources.fingerprints([f"mine:{part}"])

    return fingerprints


UNSEEN = {
    "comment": ("mine.py", "# a comment", "# another, and longer"),
    "docstrings": ("mine.py", '"""Trains."""', '"""Trains it, as said in the paper."""'),
    "layout": ("mine.py", "def train(module, images", "\n\ndef train(\n    module, images"),
    "what only runs as a script": ("mine.py", "print(train)", "print(data)"),
    "a function no part uses": ("mine.py", "return draw(images)", "return draw(1 - images)"),
    "what only that function uses": ("helpers/drawing.py", "return images", "return 1 - images"),
    "a new function": ("mine.py", "def data", "import json\ndef other():\n    pass\ndef data"),
    "a function of a helper": ("helpers/losses.py", "return 0", "return 1"),
}
SEEN = {
    "the function itself": ("mine.py", "loss(RATE)", "loss(2 * RATE)", ["mine"]),
    "a constant": ("mine.py", "RATE = 0.01", "RATE = 0.02", ["mine"]),
    "a class, which may do anything": ("mine.py", "return x\n", "return -x\n", ["mine"]),
    "a name imported": ("helpers/losses.py", "scaled(x)\n", "-scaled(x)\n", ["helpers.losses"]),
    "what that uses": ("helpers/losses.py", "x * numbers", "x + numbers", ["helpers.losses"]),
    "and what that imports": ("helpers/numbers.py", "2", "3", ["helpers.numbers"]),
    "a module imported": ("helpers/steps.py", "return 1", "return 2", ["helpers.steps"]),
    "a package": ("helpers/__init__.py", "", "import torch\ntorch.set_num_threads(1)", ["helpers"]),
    "names made at run time": ("mine.py", "return torch", "return globals() or torch", ["mine"]),
}


@pytest.mark.parametrize("edit", UNSEEN.values(), ids=UNSEEN)
def test_what_a_part_does_not_do_is_no_part_of_it(mine, edit):
    assert mine("train", *edit) == mine("train")


@pytest.mark.parametrize("edit", SEEN.values(), ids=SEEN)
def test_what_a_part_does_is_part_of_it(mine, edit):
    *edited, modules = edit
    before, after = mine("train"), mine("train", *edited)
    changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
    if "globals" in edited[2]:  # then all that any function of the module uses counts
        changed -= {"helpers.drawing"}
    assert changed == set(modules)


def test_what_one_part_uses_is_no_part_of_another(mine):
    edit = ("helpers/drawing.py", "return images", "return 1 - images")
    assert mine("corner", *edit) != mine("corner")
    assert mine("data", *edit) == mine("data")
    edit = ("mine.py", "loss(RATE)", "loss(2 * RATE)")
    assert mine("data", *edit) == mine("data")


def test_modules_of_packages_are_not_read_and_a_part_in_one_counts_by_its_version(mine):
    assert mine("train").keys() == {"mine", "helpers.losses", "helpers.numbers", "helpers.steps"}
    found = user_sources.fingerprints(["numpy:zeros"])
    assert found.keys() == {"numpy"}
    assert found["numpy"][0].isdigit()
    assert user_sources.fingerprints(["json:dumps"]).keys() == {"python"}


def test_nothing_of_the_user_is_run_and_a_compiled_module_counts_by_its_bytes(tmp_path):
    (tmp_path / "mine.py").write_text("import torch, fast\nraise SystemExit('was run')\n")
    suffix = EXTENSION_SUFFIXES[0]
    library = tmp_path / f"fast{suffix}"
    program = "from modeldiff.study import user_sources; import sys; "
    program += "print(user_sources.fingerprints(['mine:f'])); assert 'torch' not in sys.modules"
    said = []
    for content in (b"one", b"two"):
        library.write_bytes(content)
        command = [sys.executable, "-c", program]
        said.append(
            subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        )
    first, second = (ended.stdout for ended in said)
    assert "'fast'" in first
    assert first != second


def test_modules_that_import_each_other_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring/__init__.py").write_text("from .one import f\n")
    (tmp_path / "ring/one.py").write_text("from .two import g\ndef f():\n    return g()\n")
    (tmp_path / "ring/two.py").write_text("from . import one\ndef g():\n    return one.f()\n")
    assert user_sources.fingerprints(["ring:f"]).keys() == {"ring", "ring.one", "ring.two"}
