"""A file is whole or absent, and is trusted only with a matching record."""

import errno
import json
import os

import numpy as np
import pytest

from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError


def write(path, content=b"content", key="key"):
    with artifacts.write(path, key, models=3) as file:
        file.write(content)


def test_an_artefact_has_a_record_that_verifies_it(tmp_path):
    write(tmp_path / "a")
    assert artifacts.verify(tmp_path / "a", "key").read_bytes() == b"content"
    record = artifacts.record(tmp_path / "a")
    assert record["bytes"] == 7
    assert record["models"] == 3
    assert record["versions"]["numpy"] == np.__version__
    assert record["hardware"]["cores"] == os.cpu_count()


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    write(tmp_path / "a")

    def cut():
        with artifacts.write(tmp_path / "a", "other") as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cut()
    assert artifacts.verify(tmp_path / "a", "key").read_bytes() == b"content"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.json"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(b"cont"), "has 4 bytes, not 7: truncated"),
        (lambda p: p.write_bytes(b"c0ntent"), "checksum"),
        (lambda p: p.unlink(), "is missing"),
        (lambda p: artifacts.record_path(p).unlink(), "no readable record"),
        (lambda p: artifacts.record_path(p).write_text("{"), "no readable record"),
        (lambda p: artifacts.record_path(p).write_text("{}"), "no readable record"),
        (lambda p: write(p, key="old"), "was made from other settings"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path, damage, words):
    path = tmp_path / "a"
    write(path)
    damage(path)
    with pytest.raises(CorruptArtifact) as caught:
        artifacts.verify(path, "key")
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    write(tmp_path / "a")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        write(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert artifacts.verify(tmp_path / "a", "key").read_bytes() == b"content"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.json"]


def test_arrays_may_have_any_name_and_give_the_same_bytes(tmp_path):
    arrays = {"file": np.arange(3), "a-minus-b.x": np.eye(2), "allow_pickle": np.float64(1)}
    for name in ("one", "two"):
        with artifacts.atomic_write(tmp_path / name) as file:
            artifacts.write_arrays(file, arrays)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with np.load(tmp_path / "one", allow_pickle=False) as loaded:
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_objects_are_never_pickled(tmp_path):
    with (
        pytest.raises(ValueError, match="allow_pickle"),
        artifacts.atomic_write(tmp_path / "x") as file,
    ):
        artifacts.write_arrays(file, {"x": np.array([{}])})
    assert not (tmp_path / "x").exists()


def test_json_with_a_number_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "x.json", {"a": float("nan")})
    artifacts.write_json(tmp_path / "x.json", {"a": 1e-6})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1e-6}
