"""Gathering shards: in order, checked, in bounded memory."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from modeldiff import margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact


def shards(folder, sizes, targets=4, failed=None):
    paths, start = [], 0
    for size in sizes:
        path = folder / f"{start}-{start + size}.npy"
        rows = np.arange(start, start + size, dtype=np.float32)[:, None] + np.zeros(targets, "f4")
        facts = {"models": [start, start + size], "margin": "max", "failed": failed or {}}
        with artifacts.write(path, "shard", **facts) as file:
            np.save(file, rows)
        paths.append(path)
        start += size
    return paths


def test_rows_are_models_in_order(tmp_path):
    paths = shards(tmp_path, [3, 5, 2])
    margins.gather(paths, "shard", tmp_path / "margins.npy", "all")
    rows, failed = margins.read(tmp_path / "margins.npy", "all")
    assert isinstance(rows, np.memmap)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[:, 0], np.arange(10))
    assert failed == {}


def test_failed_models_are_listed(tmp_path):
    paths = shards(tmp_path, [3], failed={"1": "diverged"})
    margins.gather(paths, "shard", tmp_path / "margins.npy", "all")
    assert margins.read(tmp_path / "margins.npy", "all")[1] == {"1": "diverged"}


def trained(folder, shares, targets=200, failed=None):
    """A shard of models with these shares of margins above 0; NaN rows for those that failed."""
    margins = np.where(np.arange(targets) < np.asarray(shares)[:, None] * targets, 1.0, -1.0)
    for model in failed or {}:
        margins[int(model)] = np.nan
    path = folder / "shard.npy"
    facts = {"models": [0, len(shares)], "margin": "max", "failed": failed or {}}
    with artifacts.write(path, "shard", **facts) as file:
        np.save(file, margins.astype("f4"))
    return path


def test_models_far_below_the_others_have_failed(tmp_path):
    shares = np.random.default_rng(0).normal(0.9, 0.02, 60).clip(0, 1)
    shares[[7, 31]] = 0.3, 0.6
    path = trained(tmp_path, shares, failed={"5": "diverged: x"})
    margins.gather([path], "shard", tmp_path / "margins.npy", "all")
    rows, failed = margins.read(tmp_path / "margins.npy", "all")
    assert np.isnan(rows).all(1).nonzero()[0].tolist() == [5, 7, 31]
    assert set(failed) == {"5", "7", "31"}
    assert failed["5"] == "diverged: x"
    assert failed["7"] == "far below the others: 30.0% of margins above 0, median 90.5%"
    assert margins.reasons(failed.values()) == {"far below the others": 2, "diverged": 1}
    others = np.setdiff1d(np.arange(60), [5, 7, 31])
    np.testing.assert_array_equal(rows[others], np.load(path)[others])


@pytest.mark.parametrize("targets", [4, 30, 1000])
def test_models_that_learned_are_not_far_below_the_others(targets):
    rng = np.random.default_rng(1)
    skewed = 1 - 0.1 * rng.beta(2, 8, 2000)
    few_errors = 1 - 0.03 * np.exp(0.5 * rng.normal(size=2000))
    for shares in (skewed, few_errors, np.full(2000, 0.97), rng.normal(0.6, 0.1, 2000)):
        drawn = rng.binomial(targets, shares.clip(0, 1)) / targets
        assert margins.far_below(drawn, targets) == {}
    almost = np.ones(50)
    almost[3] = 1 - 1 / targets
    assert margins.far_below(almost, targets) == {}
    assert margins.far_below(np.full(3, np.nan), targets) == {}


def test_damaged_shards_are_all_named_and_only_they_are_removed(tmp_path):
    paths = shards(tmp_path, [3, 5, 2])
    with open(paths[1], "r+b") as file:
        file.truncate(100)
    paths[2].write_bytes(paths[2].read_bytes()[:-1] + b"\xff")
    with pytest.raises(CorruptArtifact) as caught:
        margins.gather(paths, "shard", tmp_path / "margins.npy", "all")
    assert str(caught.value).startswith("2 damaged shards were removed; run the same command again")
    first, second = caught.value.details.split("\n")
    assert first.endswith("3-8.npy: has 100 bytes, not 208: truncated")
    assert second.endswith("8-10.npy: its content has changed since it was written (checksum)")
    assert [p.exists() for p in paths] == [True, False, False]
    assert not (tmp_path / "margins.npy").exists()


def test_a_file_that_is_no_shard_is_the_users_and_stays(tmp_path):
    paths = shards(tmp_path, [3])
    mine = tmp_path / "notes.npy"
    np.save(mine, np.zeros((3, 4)))
    for given in ([mine], [*paths, mine], [paths[0], tmp_path / "gone.npy"]):
        with pytest.raises(
            CorruptArtifact, match=r"has no readable record (notes|gone)\.npy\.json"
        ):
            margins.gather(given, "shard", tmp_path / "margins.npy", "all")
    assert mine.exists()
    assert paths[0].exists()
    artifacts.record_path(paths[0]).unlink()
    with pytest.raises(CorruptArtifact, match="a damaged shard was removed"):
        margins.gather(paths, "shard", tmp_path / "margins.npy", "all")


def test_thousands_of_shards_stay_under_300_mb(tmp_path):
    """2,000 shards of a 100,000 x 1,000 array (400 MB)."""
    shard = tmp_path / "shard.npy"
    with artifacts.write(shard, "shard", models=[0, 50], margin="max", failed={}) as file:
        np.save(file, np.ones((50, 1000), np.float32))
    script = f"""
        from pathlib import Path
        from modeldiff import margins
        margins.gather([{str(shard)!r}] * 2000, "shard", {str(tmp_path / "all.npy")!r}, "all")
        status = Path("/proc/self/status").read_text()
        print(status.split("VmHWM:")[1].split()[0])  # peak resident kB of this program alone
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert np.load(tmp_path / "all.npy", mmap_mode="r").shape == (100_000, 1000)
    assert kilobytes < 300_000
