"""Living17 and Waterbirds in their published layouts; what is incomplete is refused with counts."""

import io
import shutil
import tracemalloc

import layouts
import numpy as np
import pytest
from PIL import Image

from modeldiff import dataset
from modeldiff.core.errors import UserError
from modeldiff.dataset import case_studies
from modeldiff.dataset.case_studies import LIVING17
from modeldiff.dataset.pictures import Pictures, centre, stretched
from modeldiff.dataset.raw import LazyImages, Raw, placed
from modeldiff.study import Study


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    return layouts.living17(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def birds(tmp_path):
    return layouts.waterbirds(tmp_path / "birds")


def test_living17_are_68_imagenet_classes():
    wnids = " ".join(LIVING17.values()).split()
    assert len(LIVING17) == 17
    assert len(set(wnids)) == 68
    assert all(len(group.split()) == 4 for group in LIVING17.values())


def test_living17_groups_imagenet_classes(imagenet):
    raw = case_studies.living17(
        path=str(imagenet), size=16, train_per_subclass=3, test_per_subclass=2
    )
    assert raw.classes == tuple(LIVING17)
    np.testing.assert_array_equal(raw.train.labels, np.repeat(np.arange(17), 12))
    np.testing.assert_array_equal(raw.test.labels, np.repeat(np.arange(17), 8))
    assert raw.train.images.names[3] == "train/n01631663/n01631663_0.JPEG"
    assert not any("n00000001" in name for name in raw.train.images.names)
    assert raw.train.images.shape == (204, 3, 16, 16)


def test_living17_takes_no_incomplete_folder(imagenet, tmp_path):
    words = r"136 of 2 x 68 .*: train/n01630670 \(salamander\) holds 4 images, not 732 to 1,300; "
    with pytest.raises(UserError, match=words + r"and 135 more$") as caught:
        case_studies.living17(path=str(imagenet), size=16)
    folder, *listed = caught.value.details.split("\n")
    assert folder == f"in {imagenet}:"
    assert len(listed) == 20
    copy = shutil.copytree(imagenet, tmp_path / "copy")
    shutil.rmtree(copy / "val/n02493793")
    few = {"train_per_subclass": 4, "test_per_subclass": 2}
    words = r"1 of 2 x 68 .*: val/n02493793 \(monkey\) holds 0 images, not 2 or more$"
    with pytest.raises(UserError, match=words):
        case_studies.living17(path=str(copy), size=16, **few)


def test_waterbirds_keep_the_order_of_their_table(birds):
    raw = case_studies.waterbirds(path=str(birds), size=16, complete=False)
    assert raw.classes == ("landbird", "waterbird")
    assert raw.train.labels.tolist() == [0] * 36 + [1] * 36
    assert raw.test.labels.tolist() == [0] * 24 + [1] * 24
    assert raw.train.images.names[30] == "000.Bird/0_1_0.jpg"
    shown = dict(placed(raw.train))[30].mean((1, 2))  # a landbird on water
    np.testing.assert_allclose(shown, [85, 175, 115], atol=8)


@pytest.mark.parametrize(
    ("damage", "options", "words"),
    [
        (
            lambda p: None,
            {"complete": True},
            "8 of 8 groups .*: train landbird on land: 30 images, not 3498; and 7 more",
        ),
        (lambda p: (p / "001.Bird/2_1_3.jpg").unlink(), {}, "1 of 120 images .*2_1_3.jpg: is miss"),
        (lambda p: (p / "metadata.csv").unlink(), {}, "metadata.csv: must be a table with img_f"),
        (
            lambda p: (p / "metadata.csv").write_text("img_filename,y,split,place\nx.jpg,2,0,0\n"),
            {},
            r"metadata.csv: y 2 must be in \{0, 1\}",
        ),
        (
            lambda p: (p / "metadata.csv").write_text("img_filename,y,split,place\nx.jpg,0,0,0\n"),
            {},
            "train waterbird on land: 0 images, not one or more",
        ),
    ],
)
def test_waterbirds_that_are_incomplete_are_refused_with_counts(birds, damage, options, words):
    damage(birds)
    with pytest.raises(UserError, match=words):
        case_studies.waterbirds(**{"path": str(birds), "size": 16, "complete": False} | options)


def test_pictures_are_brought_to_size_as_the_paper_does():
    """Against torchvision's steps: resize 256 and centre crop 224; resize to 224 x 224."""
    from modeldiff.core.vision import torchvision

    torchvision()
    from torchvision import transforms

    smooth = np.indices((60, 90)).sum(0)[..., None] * np.array([1.0, 0.7, 0.4])
    image = Image.fromarray(smooth.astype(np.uint8)).resize((450, 300))
    steps = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for ours, theirs in (
        (centre(image, 224), steps(image)),
        (stretched(image, 224), transforms.Resize((224, 224))(image)),
    ):
        assert ours.size == (224, 224)
        assert np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max() <= 2


def test_what_is_prepared_is_what_the_source_reads(config, birds, tmp_path):
    config["dataset"] = {"name": "waterbirds", "path": str(birds), "complete": False, "size": 8}
    data = prepared(config, tmp_path)
    raw = case_studies.waterbirds(path=str(birds), size=8, complete=False)
    for place, image in placed(raw.test):
        np.testing.assert_array_equal(data.test.images[place], image)
    np.testing.assert_array_equal(data.test.labels, raw.test.labels)


def prepared(config, folder):
    config["verification"]["transformations"] = {}
    for algorithm in config["algorithms"].values():
        algorithm["batch"] = 8
    study = Study.load(config)
    dataset.prepare(study, folder / "manifest.json")
    return dataset.read(folder / "manifest.json", study.key("dataset"))


def one_picture_many_times():
    """1,500 images of 64 x 64 pixels: 18 MB."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(file, "png")
    names = [f"{i:04}" for i in range(1500)]
    images = Pictures(names, lambda of: ((x, file.getvalue()) for x in of), 64, stretched)
    split = LazyImages(images, np.arange(1500) % 2)
    return Raw(split, split, ("a", "b"))


def test_memory_holds_one_image_at_a_time(config, tmp_path):
    config["dataset"] = {"name": f"{__name__}:one_picture_many_times"}
    tracemalloc.start()
    data = prepared(config, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.train.images.nbytes > 18e6
    assert peak < 3e6
    assert (data.train.images[::700] == np.array([1, 2, 3])[:, None, None]).all()
