"""`check-data`: what is wrong with a folder is told before anything trains."""

import re

import layouts
import pytest
import yaml
from click.testing import CliRunner

from modeldiff.cli import main
from modeldiff.study.sizes import known_sizes


@pytest.fixture
def check(config, tmp_path):
    """The command on a config whose data are a folder of two classes."""
    layouts.folders(tmp_path / "data", ("ant", "bee"), 5, 3)
    config["dataset"] = {"name": "folder", "path": str(tmp_path / "data"), "size": 16}
    config["verification"]["transformations"] = {}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))

    def run(*options):
        ended = CliRunner().invoke(main, ["check-data", str(tmp_path / "own.yaml"), *options])
        return ended.exit_code, ended.output

    return run


def test_a_whole_folder_is_counted_and_its_checksum_told(check, tmp_path):
    code, output = check()
    assert code == 0, output
    assert "train: 10 images (ant 5, bee 5)\ntest: 6 images (ant 3, bee 3)\n" in output
    checksum = re.search(r"SHA-256 of all files ([0-9a-f]{64})\n", output)[1]
    assert check("--sha256", checksum) == (0, output)
    (tmp_path / "data/train/ant/0000.png").write_bytes(
        (tmp_path / "data/train/ant/0001.png").read_bytes()
    )
    code, output = check("--sha256", checksum)
    assert code == 1
    assert "dataset.path: the files' SHA-256 is " in output
    assert output.rstrip().endswith(f"not {checksum}")


def test_the_checksum_is_the_same_for_an_archive_of_the_folder(check, config, tmp_path):
    import tarfile

    _, output = check()
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        for split in ("test", "train"):
            archive.add(tmp_path / "data" / split, arcname=split)
    config["dataset"]["path"] = str(tmp_path / "data.tar")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    assert check() == (0, output)


def test_images_that_do_not_open_are_counted_and_named(check, tmp_path):
    for name in ("train/ant/0003.png", "test/bee/0000.png"):
        path = tmp_path / "data" / name
        path.write_bytes(path.read_bytes()[:200])
    code, output = check()
    assert code == 1
    line = "2 of 16 images cannot be opened: test/bee/0000.png, train/ant/0003.png\n"
    assert output.endswith(f"modeldiff: dataset.path: {line}")
    assert len(list(tmp_path.iterdir())) == 2  # nothing is written


@pytest.mark.parametrize(
    ("name", "options", "sizes"),
    [
        ("waterbirds", {"complete": True}, (4795, 5794, 2)),
        ("waterbirds", {"complete": False}, None),
        ("living17", {"train_per_subclass": 10, "test_per_subclass": 5}, (680, 340, 17)),
        ("living17", {"train_per_subclass": None, "test_per_subclass": 5}, None),
    ],
)
def test_sizes_that_are_known_beforehand(name, options, sizes):
    known = known_sizes(name, options)
    assert (known and (known.n_train, known.n_test, len(known.classes))) == sizes
