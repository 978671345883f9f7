"""Score files that are torn, lie about their size, hold code or no numbers: a line, and soon."""

import json
import os
import pickle
import struct
import zipfile

import hostile
import numpy as np
import pytest
import torch

GOOD = np.random.default_rng(0).normal(size=(40, 100)).astype(np.float32)


class Trap:
    def __reduce__(self):
        return (open, ("sprung", "w"))


def npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


def pt(content):
    return lambda path: torch.save(content, path)


def written(content):
    return lambda path: path.write_bytes(content)


def header(shape, kind="<f4"):
    """A .npy file that says what it holds, and holds nothing."""
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


def archive(members):
    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)

    return write


def bomb(path):
    """2 GB of zeros in 9 MB."""
    block = bytes(2**24)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((2**13, 2**16)))
        for _ in range(2**7):
            member.write(block)


def safetensors(tensor, body=b""):
    text = json.dumps({"a": tensor}).encode()
    return written(struct.pack("<Q", len(text)) + text + body)


ATTACKS = {
    "code.npy": npy(np.array([[Trap()]], object)),
    "complex.npy": npy(GOOD.astype(complex)),
    "text.npy": npy(GOOD.astype(str)),
    "scalar.npy": npy(np.float32(1)),
    "longdouble.npy": npy(GOOD.astype(np.longdouble)),
    "overflows.npy": npy(GOOD.astype(float) * 1e307),
    "no-rows.npy": npy(GOOD[:0]),
    "no-columns.npy": npy(GOOD[:, :0]),
    "zeros.npy": npy(np.zeros_like(GOOD)),
    "terabytes.npy": written(header((10**6, 10**6))),
    "many-dimensions.npy": written(header((1,) * 100_000)),
    "brackets.npy": written(header((1,)).replace(b"(1,)", b"(" * 50_000)),
    "negative.npy": written(header((-1, 100)) + GOOD.tobytes()),
    "objects.npy": written(header((40, 100), "O")),
    "empty.npz": written(b""),
    "no-members.npz": archive({}),
    "code.npz": archive({"a.npy": pickle.dumps(Trap())}),
    "outside.npz": archive({"../../a.npy": header((1, 1))}),
    "bomb.npz": bomb,
    "bomb.pt": bomb,
    "code.pt": pt({"a": Trap()}),
    "pickle.pt": written(pickle.dumps(Trap())),
    "stretched.pt": pt(torch.zeros(1).expand(10**6, 10**6)),
    "nested.pt": pt({"a": {"b": torch.zeros(40, 100)}}),
    "meta.pt": pt(torch.empty(40, 100, device="meta")),
    "garbage.pth": written(bytes(range(256))),
    "terabytes.safetensors": safetensors(
        {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}
    ),
    "overflows.safetensors": safetensors(
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]}, bytes(16)
    ),
    "length.safetensors": written(struct.pack("<Q", 2**63)),
    "pipe.npy": os.mkfifo,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_score_file_that_is_none_is_a_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    ATTACKS[name](tmp_path / name)
    np.save("good.npy", GOOD)
    how, said = hostile.judge_words("compare", name, "good.npy", "--output", "out")
    assert how == "refused", (how, said)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", [">f4", ">i8", "<f2", "<u8"])
def test_numbers_of_every_order_and_size_are_read(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", (100 * np.abs(GOOD)).astype(kind))
    np.save("b.npy", GOOD)
    how, said = hostile.judge_words("compare", "a.npy", "b.npy")
    assert how == "accepted", said
