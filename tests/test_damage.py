"""What is found damaged is named in one line, and made again by the next run."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from modeldiff import cli, dataset
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact
from modeldiff.study import Study

pytest_plugins = ["report_fixtures"]


def replaced(path, content):
    """Another content under a record that fits it, as a careless copy or script leaves it."""
    kept = artifacts.record(path)
    with artifacts.write(path, kept["key"]) as file:
        content(file)


OTHERS = {
    "text": lambda file: file.write(b"not an array\n"),
    "nothing": lambda file: None,
    "strings": lambda file: np.save(file, np.array(["a", "b"])),
    "objects": lambda file: np.save(file, np.array([{}, None], dtype=object), allow_pickle=True),
    "one dimension": lambda file: np.save(file, np.zeros(3, np.float32)),
    "integers": lambda file: np.save(file, np.zeros((2, 2), np.int64)),
}


@pytest.fixture
def array(tmp_path):
    path = tmp_path / "margins.npy"
    with artifacts.write(path, "key") as file:
        np.save(file, np.zeros((2, 2), np.float32))
    return path


@pytest.mark.parametrize("content", OTHERS)
def test_an_artefact_of_another_kind_is_damaged(array, content):
    assert artifacts.array(array, "key", kind="f", dimensions=2).shape == (2, 2)
    replaced(array, OTHERS[content])
    with pytest.raises(
        CorruptArtifact, match=r"margins\.npy: is not an array of 2 dimensions"
    ) as caught:
        artifacts.array(array, "key", kind="f", dimensions=2)
    assert caught.value.artifact == array


@pytest.mark.parametrize("content", ["text", "nothing", "strings"])
def test_an_archive_of_another_kind_is_damaged(array, content):
    replaced(array, lambda file: artifacts.write_arrays(file, {"a": np.zeros(2)}))
    assert artifacts.arrays(array, "key")["a"].shape == (2,)
    with pytest.raises(CorruptArtifact, match=r"margins\.npy: has no array 'b'"):
        artifacts.arrays(array, "key")["b"]
    replaced(array, OTHERS[content])
    with pytest.raises(CorruptArtifact, match=r"margins\.npy: is not a file of arrays"):
        artifacts.arrays(array, "key")


def test_a_folder_in_the_place_of_an_artefact_is_named_and_left(array):
    array.unlink()
    (array / "mine").mkdir(parents=True)
    with pytest.raises(CorruptArtifact, match=r"margins\.npy: cannot be read: Is a directory"):
        artifacts.verify(array, "key")
    assert not artifacts.discard(array)
    assert (array / "mine").exists()


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_what_has_no_readable_record_may_be_the_users_and_is_left(array, text):
    artifacts.record_path(array).unlink()
    if text:
        artifacts.record_path(array).write_text(text)
    with pytest.raises(
        CorruptArtifact, match=r"has no readable record margins\.npy\.json; if it"
    ) as caught:
        artifacts.verify(array, "key")
    assert caught.value.artifact is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def as_text(path):
    replaced(path, OTHERS["text"])


@pytest.mark.parametrize("damage", [cut, as_text])
@pytest.mark.parametrize(
    "name",
    [
        "plain/margins.npy",
        "masked/datamodels.npz",
        "masked/lds.npz",
        "plain-vs-masked/comparison.npz",
    ],
)
def test_a_room_removes_what_it_found_damaged(study_json, tmp_path, name, damage):
    folder = shutil.copytree(study_json.parent, tmp_path / "copy")
    damage(folder / name)
    ended = CliRunner().invoke(cli.main, ["report", str(folder / "study.json")])
    assert ended.exit_code == 1
    first, second = ended.output.strip().split("\n")
    assert name.split("/")[1] in first
    assert len(first) <= 200
    assert second == "It was removed: run the same again to make it again."
    assert not (folder / name).exists()


def test_a_summary_found_damaged_is_made_again(study_json, tmp_path):
    folder = shutil.copytree(study_json.parent, tmp_path / "copy")
    summary = folder / "summary.json"
    cut(summary)
    ended = CliRunner().invoke(cli.main, ["summary", str(summary)])
    assert (ended.exit_code, summary.exists()) == (1, False)


def less(path):
    """The arrays of a file, each with a row less: whole and well-formed, but not this study's."""
    with np.load(path, allow_pickle=False) as content:
        found = {k: v[:-1] if v.ndim else v for k, v in content.items()}
    replaced(path, lambda file: artifacts.write_arrays(file, found))


def one_row(path):
    replaced(path, lambda file: np.save(file, np.zeros((1, 150), np.uint8)))


def a_list(path):
    replaced(path, lambda file: file.write(b"[1, 2]"))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("dataset/manifest.json", a_list, "is not a manifest of a data set"),
        ("plain/lds.npz", less, "is not a file of scores of datamodels"),
        ("plain-vs-masked/effects.csv", as_text, "is not a table of effects"),
        ("plain-vs-masked/comparison.npz", as_text, "is not a file of arrays"),
    ],
)
def test_a_report_names_content_of_another_kind(study_json, tmp_path, name, harm, said):
    folder = shutil.copytree(study_json.parent, tmp_path / "copy")
    harm(folder / name)
    ended = CliRunner().invoke(cli.main, ["report", str(folder / "study.json")])
    assert (ended.exit_code, (folder / name).exists()) == (1, False)
    assert f"{folder / name}: {said}\n" in ended.output


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("subsets/masks.npy", as_text, "is not an array of 2 dimensions"),
        ("subsets/masks.npy", one_row, "holds uint8 [1, 150], not uint8 [95, 150]"),
        ("masked/datamodels.npz", as_text, "is not a file of "),
    ],
)
def test_a_comparison_names_content_of_another_kind(study_json, tmp_path, name, harm, said):
    folder = shutil.copytree(study_json.parent, tmp_path / "copy")
    said = f"{folder / name}: {said}"[:110]  # the middle of a long line is left out
    harm(folder / name)
    models = [folder / x for x in ("subsets/masks.npy", "plain/margins.npy", "masked/margins.npy")]
    weights = [folder / x / "datamodels.npz" for x in ("plain", "masked")]
    command = ["comparison", folder / "study.json", "plain", "masked", *models, "--weights"]
    command += [*weights, "--dataset", folder / "dataset/manifest.json"]
    command += ["--output", tmp_path / "comparison.npz"]
    ended = CliRunner().invoke(cli.main, list(map(str, command)))
    assert (ended.exit_code, (folder / name).exists()) == (1, False)
    assert said in ended.output


def test_images_of_another_size_than_the_manifest_says(study_json, tmp_path):
    folder = shutil.copytree(study_json.parent, tmp_path / "copy")
    train = folder / "dataset/train.npy"
    replaced(train, lambda file: np.save(file, np.zeros((1200, 1, 8, 7), np.uint8)))
    key = Study.recorded(folder / "study.json").key("dataset")
    with pytest.raises(
        CorruptArtifact, match=r"holds uint8 \[1200, 1, 8, 7\], not uint8 \[1200, 1, 8, 8\]"
    ):
        dataset.read(folder / "dataset/manifest.json", key)
