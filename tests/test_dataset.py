"""Data sets: nothing moves, what is planted is known, the divisions are clean."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from modeldiff import dataset
from modeldiff.dataset import Images, Raw
from modeldiff.errors import Damaged, UserError
from modeldiff.study import Study


def manifest_of(study, folder):
    dataset.prepare(study, folder / "manifest.json")
    return dataset.read_manifest(folder / "manifest.json", study.key("dataset"))


def test_digits_are_scikit_learns_each_once():
    raw = dataset.digits()
    assert raw.train.images.shape == (1200, 1, 8, 8)
    assert raw.test.images.shape == (597, 1, 8, 8)
    ours = np.concatenate([raw.train.images, raw.test.images]).reshape(1797, 64)
    theirs = np.round(load_digits().data * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(np.sort(ours.view("V64"), 0), np.sort(theirs.view("V64"), 0))
    assert dataset.BUILT_IN["digits"].classes == raw.classes


def test_the_plant_is_on_other_classes_and_nowhere_else(study, tmp_path):
    planted = manifest_of(study, tmp_path)["planted"]
    data = dataset.read(tmp_path / "manifest.json", study.key("dataset"))
    raw = dataset.digits()
    for name, count in (("train", 12), ("test", 48)):
        chosen, ours, theirs = planted[f"{name}_examples"], getattr(data, name), getattr(raw, name)
        assert len(chosen) == count
        assert (ours.images[chosen][..., :2, :2] == 255).all()
        assert (ours.labels[chosen] == 3).all()
        assert (theirs.labels[chosen] != 3).all()
        rest = np.setdiff1d(np.arange(len(ours.labels)), chosen)
        np.testing.assert_array_equal(ours.images[rest], theirs.images[rest])
        np.testing.assert_array_equal(ours.labels[rest], theirs.labels[rest])


def test_targets_and_verification_images_divide_the_test_images(data, study):
    both = np.concatenate([data.targets, data.verification])
    np.testing.assert_array_equal(np.sort(both), np.arange(597))
    assert len(data.verification) == round(597 * study.verification_share)


def test_a_data_set_of_other_settings_is_refused(study, config, tmp_path):
    manifest_of(study, tmp_path)
    other = Study.load(config | {"seed": 1})
    with pytest.raises(Damaged, match="made from other settings"):
        dataset.read(tmp_path / "manifest.json", other.key("dataset"))


def floats():
    images = Images(np.zeros((5, 1, 4, 4)), np.zeros(5, np.int64))
    return Raw(images, images, ("a", "b"))


def labels_out_of_range():
    images = Images(np.zeros((5, 1, 4, 4), np.uint8), np.full(5, 2))
    return Raw(images, images, ("a", "b"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("floats", "must be uint8"), ("labels_out_of_range", "labels must be 0 to 1")],
)
def test_a_users_own_that_breaks_the_contract_is_named(config, tmp_path, name, words):
    config["dataset"] = {"name": f"{__name__}:{name}"}
    with pytest.raises(UserError, match=words):
        manifest_of(Study.load(config), tmp_path)
