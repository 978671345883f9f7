"""The data sets of the paper's other case studies, from a local folder in their published layout.

A program cannot download either of them freely: config/README.md says where to get them.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff.core.errors import UserError
from modeldiff.dataset.pictures import Pictures, centre, listing, reader, stretched
from modeldiff.dataset.raw import LazyImages, Raw
from modeldiff.study.sizes import GROUPS, IMAGENET, LIVING17, WATERBIRDS

if TYPE_CHECKING:
    import pandas as pd

PLACES = ("land", "water")
SPLITS = {"train": 0, "test": 2}  # 1 is for validation, which nothing here needs
LISTED = 20  # mistakes in a data set that are listed, at most


def living17(
    *,
    path: str,
    size: int,
    train_per_subclass: int | None = None,
    test_per_subclass: int | None = None,
) -> Raw:
    """Living17: 17 classes of four ImageNet classes each, from `train/<wnid>/*`, `val/<wnid>/*`.

    path: ImageNet's folder, or a tar archive of it; it may hold other classes, too. Images have
    their shorter side resized to 8/7 of `size` and their centre cut out (256 and 224, as usual).
    *_per_subclass: the first so many of each ImageNet class (None: all of them).
    Raises UserError with the counts expected and found unless all 68 classes are complete.
    """
    names, read = listing(path)
    splits = []
    wrong = []
    for split, most in (("train", train_per_subclass), ("val", test_per_subclass)):
        chosen: list[str] = []
        labels: list[int] = []
        for label, (name, wnids) in enumerate(LIVING17.items()):
            for wnid in wnids.split():
                images_of_class = names.get((split, wnid), [])
                count = len(images_of_class)
                if most:
                    enough = count >= most
                    wanted = f"{most} or more"
                else:
                    enough = count in IMAGENET[split]
                    wanted = _words(IMAGENET[split])
                if not enough:
                    wrong.append(f"{split}/{wnid} ({name}) holds {count} images, not {wanted}")
                chosen += images_of_class[:most]
                labels += [label] * len(images_of_class[:most])
        images = Pictures(chosen, read, size, centre)
        splits.append(LazyImages(images, np.array(labels, np.int64)))
    _refuse(path, wrong, "2 x 68 ImageNet classes")
    return Raw(splits[0], splits[1], tuple(LIVING17))


def waterbirds(*, path: str, size: int, complete: bool = True) -> Raw:
    """Waterbirds: landbirds (0) and waterbirds (1) on land or water, as `metadata.csv` lists them.

    path: the folder of the group-DRO and WILDS releases. Images are resized to `size` both ways.
    complete: refuse any but the published numbers of images; False for other data so laid out.
    Raises UserError with the counts expected and found.
    """
    root = Path(path)
    table = _metadata(root / "metadata.csv")
    splits = []
    wrong = []
    for split, number in SPLITS.items():
        rows = table[table.split == number]
        counts = Counter(zip(rows.y, rows.place, strict=True))
        for (y, place), expected in GROUPS[split].items():
            count = counts[y, place]
            if (complete and count != expected) or y not in set(rows.y):
                group = f"{split} {WATERBIRDS[y]} on {PLACES[place]}"
                wanted = expected if complete else "one or more"
                wrong.append(f"{group}: {count} images, not {wanted}")
        images = Pictures(list(rows.img_filename), reader(root), size, stretched)
        splits.append(LazyImages(images, rows.y.to_numpy(np.int64)))
    _refuse(path, wrong, "8 groups")
    named = [*splits[0].images.names, *splits[1].images.names]
    missing = []
    for name in named:
        if not (root / name).is_file():
            missing.append(f"{name}: is missing")
    _refuse(path, missing, f"{len(named)} images")
    return Raw(splits[0], splits[1], WATERBIRDS)


def _metadata(path: Path) -> "pd.DataFrame":
    """The columns img_filename, y, split and place of a metadata file, checked."""
    import pandas as pd

    columns = {"img_filename": str, "y": np.int64, "split": np.int64, "place": np.int64}
    try:
        table = pd.read_csv(path, usecols=list(columns), dtype=columns)
    except (OSError, ValueError) as error:
        line = f"dataset.path: {path.name}: must be a table with {', '.join(columns)}"
        raise UserError(line, f"{path}: {error}") from None
    for column, allowed in (("y", {0, 1}), ("place", {0, 1}), ("split", {0, 1, 2})):
        other = set(table[column]) - allowed
        if other:
            raise UserError(
                f"dataset.path: {path.name}: {column} {min(other)} must be in {allowed}"
            )
    return table


def _refuse(path: str, wrong: Sequence[str], of: str) -> None:
    """One line with the number of mistakes and the first of them; below it the folder and more."""
    if wrong:
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        line = f"dataset.path: {len(wrong)} of {of} are wrong: {wrong[0]}{more}"
        raise UserError(line, "\n".join([f"in {path}:", *wrong[:LISTED]]))


def _words(counts: range) -> str:
    return f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]}"
