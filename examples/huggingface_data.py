"""Images of a Hugging Face dataset as a study's data: `dataset: {name: "huggingface_data:data"}`.

You learn: what a source of images returns. Yours would call `datasets.load_dataset("mnist")` in
place of `hub`, whose digits need no download; columns are called "image" and "label" in most.
"""

import datasets
import numpy as np

from modeldiff.dataset import Images, Raw, digits


def hub() -> datasets.DatasetDict:
    """What `load_dataset` returns: splits of rows with an image and a label."""
    raw = digits()
    names = datasets.ClassLabel(names=list(raw.classes))
    features = datasets.Features({"image": datasets.Image(), "label": names})
    splits = {}
    for name, split in (("train", raw.train), ("test", raw.test)):
        rows = {"image": list(split.images[:, 0]), "label": split.labels}
        splits[name] = datasets.Dataset.from_dict(rows, features=features)
    return datasets.DatasetDict(splits)


def images_of(rows: datasets.Dataset) -> Images:
    """Images, uint8 [n x channels x height x width], and labels, int64 [n]."""
    pictures = np.stack([np.asarray(row["image"]) for row in rows])
    channels_first = pictures[:, None] if pictures.ndim == 3 else pictures.transpose(0, 3, 1, 2)
    return Images(np.ascontiguousarray(channels_first), np.array(rows["label"], np.int64))


def data() -> Raw:
    """What a study's `dataset: {name: "huggingface_data:data"}` calls."""
    found = hub()
    classes = tuple(found["train"].features["label"].names)
    return Raw(images_of(found["train"]), images_of(found["test"]), classes)


if __name__ == "__main__":
    raw = data()
    print(f"{len(raw.train.labels)} training images of {len(raw.classes)} classes")
    print(f"the same as digits: {np.array_equal(raw.train.images, digits().train.images)}")
