"""`modeldiff compare`: two files of scores, in a page."""

import json
import re

import numpy as np
import pytest


@pytest.fixture
def scored(tmp_path):
    """Two arrays of scores [targets x train]; the first follows 7 examples on 5 targets."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(40, 100)).astype(np.float32)
    b = a + rng.normal(size=a.shape).astype(np.float32)
    a[:5, :7] += 4
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    return a, b


def test_compare_finds_what_one_file_has(call, scored, tmp_path):
    code, said, _ = call("compare", "a.npy", "b.npy", "--json", "--output", "out")
    assert code == 0
    first = json.loads(said)["comparisons"][0]
    assert (first["a"], first["b"], first["way"]) == ("a", "b", "a-minus-b")
    assert set(first["directions"][0]["train_examples"][:7]) == set(range(7))
    assert set(first["directions"][0]["test_examples"][:5]) == set(range(5))
    assert first["directions"][0]["variance_a"] > first["directions"][0]["variance_b"]
    assert json.loads((tmp_path / "out/summary.json").read_text()) == json.loads(said)
    with np.load(tmp_path / "out/comparison.npz") as arrays:
        assert arrays["b-minus-a.directions"].shape == (10, 100)


def test_compare_takes_every_kind_of_file_alike(call, scored, tmp_path):
    torch = pytest.importorskip("torch")
    a, b = scored
    np.savez(tmp_path / "a.npz", scores=a, other=b)
    torch.save({"scores": torch.from_numpy(a)}, tmp_path / "a.pt")
    expected = json.loads(call("compare", "a.npy", "b.npy", "--json")[1])
    for other in ("a.npz", "a.pt"):
        code, said, error = call("compare", other, "b.npy", "--key", "scores", "--json")
        assert (code, error) == (
            1,
            "modeldiff: b.npy: holds one unnamed array; leave out the key\n",
        )
        np.savez(tmp_path / "named.npz", scores=b)
        said = call("compare", other, "named.npz", "--key", "scores", "--json")[1]
        assert (
            json.loads(said)["comparisons"][0]["directions"]
            == (expected["comparisons"][0]["directions"])
        )
    for name, array in (("a", a), ("b", b)):
        np.save(tmp_path / f"{name}.npy", array.T)
    assert json.loads(call("compare", "a.npy", "b.npy", "--transposed", "--json")[1]) == expected


def test_compare_reads_safetensors(call, scored, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file({"scores": scored[0]}, tmp_path / "a.safetensors")
    expected = call("compare", "a.npy", "b.npy", "--json")[1]
    assert call("compare", "a.safetensors", "b.npy", "--json")[1] == expected


def test_compare_runs_no_code_from_files(call, scored, tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"scores": Trap()}, tmp_path / "trap.pt")
    np.save(tmp_path / "trap.npy", np.array([Trap()], object), allow_pickle=True)
    for name in ("trap.pt", "trap.npy"):
        code, _, error = call("compare", name, "b.npy")
        assert code == 1
        assert error.startswith(f"modeldiff: {name}: cannot be read")
        assert error.count("\n") == 1
    assert not (tmp_path / "sprung").exists()


def test_compare_says_what_is_wrong_in_a_line(call, scored, tmp_path):
    a, b = scored
    np.savez(tmp_path / "two.npz", x=a, y=b)
    np.save(tmp_path / "flat.npy", a[0])
    np.save(tmp_path / "short.npy", a[:, :50])
    np.save(tmp_path / "turned.npy", a.T)
    np.save(tmp_path / "hole.npy", np.where(a > 3, np.nan, a))
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "torn.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:1000])
    for name, words in {
        "absent.npy": "does not exist",
        "a.txt": "must be .npy, .npz, .pt, .pth or .safetensors",
        "two.npz": "name one of its arrays by key: x, y",
        "flat.npy": "holds float32 [100]; must be numbers [targets x train examples]",
        "short.npy": "hold [40, 50] and [40, 100]",
        "turned.npy": "must have one shape; one of them is transposed",
        "hole.npy": "hole.npy: 6 rows are not finite, the first is row 0",
        "torn.npy": "cannot be read",
    }.items():
        code, _, error = call("compare", name, "b.npy", "--output", "out")
        assert code == 1, name
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_compare_suggests_transposed_where_there_are_more_targets_than_examples(call, scored):
    code, _, error = call("compare", "a.npy", "b.npy", "--transposed")
    assert code == 0
    hint = "100 targets and 40 training examples: if it is the other way round, leave out"
    assert hint in error
    code, _, error = call("compare", "a.npy", "b.npy")
    assert (code, error) == (0, "")


def test_a_file_named_like_markup_stays_text(call, scored, tmp_path):
    name = "<img src=x onerror=alert(1)>.npy"
    (tmp_path / "a.npy").rename(tmp_path / name)
    assert call("compare", name, "b.npy", "--output", "out")[0] == 0
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count("</script>") == 3  # what it reads, and the page's own two
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert "<img" not in shown
    assert "&lt;img" in shown
