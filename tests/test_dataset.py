"""Data sets: nothing moves, what is planted is known, the divisions are clean."""

import os
import shutil
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from modeldiff import dataset
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.dataset import Images, Raw, sources
from modeldiff.dataset.raw import placed
from modeldiff.study import Study
from modeldiff.study.sizes import known_sizes


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
    expected = known_sizes("digits", {})
    assert expected == (1200, 597, raw.classes)


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
    with pytest.raises(CorruptArtifact, match="made from other settings"):
        dataset.read(tmp_path / "manifest.json", other.key("dataset"))


def floats():
    images = Images(np.zeros((5, 1, 4, 4)), np.zeros(5, np.int64))
    return Raw(images, images, ("a", "b"))


def labels_out_of_range():
    images = Images(np.zeros((5, 1, 4, 4), np.uint8), np.full(5, 2))
    return Raw(images, images, ("a", "b"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("floats", "must be uint8"), ("labels_out_of_range", "labels are 2 to 2; must be 0 to 1")],
)
def test_a_users_own_that_breaks_the_contract_is_named(config, tmp_path, name, words):
    config["dataset"] = {"name": f"{__name__}:{name}"}
    with pytest.raises(UserError, match=words):
        manifest_of(Study.load(config), tmp_path)


@pytest.fixture
def pictures(tmp_path):
    """Three classes of small pictures whose colour says which they are."""
    for split, count in (("train", 4), ("test", 2)):
        for c, name in enumerate(("ant", "bee", "cow")):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.full((6, 8, 3), 40 * c + i, np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{i:03}.png")
    return tmp_path


def colours(split):
    """The first pixel of each image, in order."""
    found = {place: int(image[0, 0, 0]) for place, image in placed(split)}
    return [found[i] for i in range(len(split.labels))]


def archived(folder):
    with tarfile.open(folder / "all.tar.xz", "w:xz") as archive:
        for split in ("test", "train"):
            archive.add(folder / split, arcname=f"./{split}")
    return folder / "all.tar.xz"


@pytest.mark.parametrize("place", [lambda folder: folder, archived], ids=["folder", "tar"])
def test_pictures_keep_the_order_of_their_paths(pictures, place):
    raw = sources.folder(path=str(place(pictures)), size=4)
    assert raw.classes == ("ant", "bee", "cow")
    assert raw.train.images.shape == (12, 3, 4, 4)
    assert colours(raw.train) == [40 * c + i for c in range(3) for i in range(4)]
    assert raw.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    some = sources.folder(
        path=str(place(pictures)), size=4, classes=["cow", "ant"], train_per_class=2
    )
    assert colours(some.train) == [80, 81, 0, 1]
    assert some.test.labels.tolist() == [0, 0, 1, 1]


def bomb(path):
    """A PNG of a few hundred bytes that declares 50,000 x 50,000 pixels."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")))


def cut(path):
    path.write_bytes(path.read_bytes()[:40])


def linked_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [bomb, cut, linked_to_itself, pipe])
def test_a_picture_that_attacks_is_named(pictures, damage):
    damage(pictures / "train/bee/002.png")
    with pytest.raises(UserError, match=r"train/bee/002\.png: "):
        list(placed(sources.folder(path=str(pictures), size=4).train))


def test_an_archive_that_is_cut_short_is_named_and_nothing_is_unpacked(pictures):
    archive = archived(pictures)
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    before = sorted(pictures.rglob("*"))
    with pytest.raises(UserError, match=r"all\.tar\.xz: is not"):
        list(placed(sources.folder(path=str(archive), size=4).train))
    assert sorted(pictures.rglob("*")) == before


def test_names_of_an_archive_that_lead_out_of_it_are_not_read(pictures, tmp_path):
    path = tmp_path / "out.tar"
    with tarfile.open(path, "w") as archive:
        for split in ("test", "train"):
            archive.add(pictures / split, arcname=split)
        archive.add(pictures / "train/ant/000.png", arcname="../train/../evil/000.png")
        link = tarfile.TarInfo("train/ant/zzz.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    raw = sources.folder(path=str(path), size=4)
    assert raw.classes == ("ant", "bee", "cow")
    assert colours(raw.train) == [40 * c + i for c in range(3) for i in range(4)]


@pytest.mark.parametrize(
    ("damage", "options", "words"),
    [
        (lambda p: (p / "train/bee/002.png").write_bytes(b"x"), {}, "^train/bee/002.png: cannot"),
        (lambda p: shutil.rmtree(p / "test/cow"), {}, "test/cow holds 0 images; must hold one"),
        (lambda p: None, {"train_per_class": 9}, "train/ant holds 4 images; must hold 9"),
        (lambda p: None, {"classes": ["ant", "dog"]}, "train/dog holds 0 images"),
        (lambda p: None, {"path": "absent"}, "absent: is not a folder or tar archive"),
    ],
)
def test_pictures_that_are_missing_or_broken_are_named(pictures, damage, options, words):
    damage(pictures)
    with pytest.raises(UserError, match=words):
        list(placed(sources.folder(**{"path": str(pictures), "size": 4} | options).train))


def test_cifar_10_is_torchvisions(tmp_path):
    """A few made-up images in the published layout, read by torchvision's own class."""
    with pytest.raises(UserError, match=r"^dataset.path: .*not found"):
        sources.cifar10(path=str(tmp_path))
