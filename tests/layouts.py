"""Tiny data in the layouts of the case studies' data sets, for the tests."""

import csv
from itertools import product

import numpy as np
from PIL import Image

from modeldiff.dataset.case_studies import LIVING17

# Colours far from each other, the first ones farthest, one for each class.
LEVELS = (0, 200, 100)
TINTS = sorted(product(LEVELS, repeat=3), key=lambda tint: 100 in tint)


def picture(path, rng, tint, size=(40, 32)):
    """A noisy picture of one tint, so that classes can be told apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = rng.integers(0, 50, (height, width, 3)) + np.array(tint)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def living17(folder, train=4, test=2, seed=0):
    """ImageNet's folders of the 68 classes, and one of another."""
    rng = np.random.default_rng(seed)
    for tint, wnids in zip(TINTS, LIVING17.values(), strict=False):
        for wnid in wnids.split():
            for split, count in (("train", train), ("val", test)):
                for i in range(count):
                    picture(folder / split / wnid / f"{wnid}_{i}.JPEG", rng, tint)
    picture(folder / "train/n00000001/other.JPEG", rng, (0, 0, 0))
    return folder


def waterbirds(folder, counts=((30, 6, 6, 30), (4, 4, 4, 4), (12, 12, 12, 12)), seed=0):
    """metadata.csv and pictures; counts by split of (y, place) 00, 01, 10, 11."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for split, groups in enumerate(counts):
        for group, count in enumerate(groups):
            y, place = divmod(group, 2)
            for i in range(count):
                name = f"{y:03}.Bird/{split}_{place}_{i}.jpg"
                picture(folder / name, rng, (60 + 110 * y, 150 * place, 90))
                rows.append((len(rows) + 1, name, y, split, place, f"/p/{place}.jpg"))
    with open(folder / "metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["img_id", "img_filename", "y", "split", "place", "place_filename"])
        table.writerows(rows)
    return folder


def folders(folder, classes, train, test, size=(32, 32), seed=0):
    """train/CLASS/*.png and test/CLASS/*.png."""
    rng = np.random.default_rng(seed)
    for tint, name in zip(TINTS, classes, strict=False):
        for split, count in (("train", train), ("test", test)):
            for i in range(count):
                picture(folder / split / name / f"{i:04}.png", rng, tint, size)
    return folder
