"""The data sets of the paper's other case studies, from a local folder in their published layout.

Neither can be downloaded freely by a program: config/README.md says where they come from.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff.dataset.pictures import Pictures, centre, listing, reader, stretched
from modeldiff.dataset.raw import Raw, Unread
from modeldiff.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# BREEDS Living17: four ImageNet classes of each superclass. Made by the published procedure from
# the published hierarchy (MadryLab/BREEDS-Benchmarks, modified hierarchy, level 5 below n00004258,
# four classes each, seed 2); without a split and with a random one it is the same 68 classes.
LIVING17 = {
    "salamander": "n01630670 n01631663 n01632458 n01632777",
    "turtle": "n01664065 n01665541 n01667114 n01669191",
    "lizard": "n01675722 n01685808 n01689811 n01694178",
    "snake": "n01735189 n01740131 n01742172 n01751748",
    "spider": "n01773157 n01773797 n01774750 n01775062",
    "grouse": "n01795545 n01796340 n01797886 n01798484",
    "parrot": "n01817953 n01818515 n01819313 n01820546",
    "crab": "n01978287 n01978455 n01980166 n01981276",
    "dog": "n02086079 n02086910 n02088466 n02111500",
    "wolf": "n02114367 n02114548 n02114712 n02114855",
    "fox": "n02119022 n02119789 n02120079 n02120505",
    "domestic cat": "n02123159 n02123394 n02123597 n02124075",
    "bear": "n02132136 n02133161 n02134084 n02134418",
    "beetle": "n02167151 n02168699 n02172182 n02174001",
    "butterfly": "n02276258 n02277742 n02280649 n02281406",
    "ape": "n02480495 n02480855 n02481823 n02483362",
    "monkey": "n02490219 n02492660 n02493509 n02493793",
}
# Images of one ImageNet class (ILSVRC 2012): 732 to 1,300 to train on, 50 to validate on.
IMAGENET = {"train": range(732, 1301), "val": range(50, 51)}

WATERBIRDS = ("landbird", "waterbird")
PLACES = ("land", "water")
SPLITS = {"train": 0, "test": 2}  # 1 is for validation, which nothing here needs
LISTED = 20  # of what is wrong with a data set, at most
GROUPS = {  # images by (label, place)
    "train": {(0, 0): 3498, (0, 1): 184, (1, 0): 56, (1, 1): 1057},
    "test": {(0, 0): 2255, (0, 1): 2255, (1, 0): 642, (1, 1): 642},
}


def living17(
    *,
    path: str,
    size: int,
    train_per_subclass: int | None = None,
    test_per_subclass: int | None = None,
) -> Raw:
    """Living17: 17 classes of four ImageNet classes each, from `train/<wnid>/*`, `val/<wnid>/*`.

    path: ImageNet's folder, or a tar archive of it; other classes may lie there too. Images have
    their shorter side resized to 8/7 of `size` and their centre cut out (256 and 224, as usual).
    *_per_subclass: the first so many of each ImageNet class (None: all of them).
    Raises UserError with the counts expected and found unless all 68 classes are complete.
    """
    names, read = listing(path)
    splits, wrong = [], []
    for split, most in (("train", train_per_subclass), ("val", test_per_subclass)):
        chosen, labels = [], []
        for label, (name, wnids) in enumerate(LIVING17.items()):
            for wnid in wnids.split():
                found = names.get((split, wnid), [])
                wanted = range(most, len(found) + most + 1) if most else IMAGENET[split]
                if len(found) not in wanted:
                    right = f"{most} or more" if most else _words(wanted)
                    wrong.append(f"{split}/{wnid} ({name}) holds {len(found)} images, not {right}")
                chosen += found[:most]
                labels += [label] * len(found[:most])
        images = Pictures(chosen, read, size, centre)
        splits.append(Unread(images, np.array(labels, np.int64)))
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
    splits, wrong = [], []
    for split, number in SPLITS.items():
        rows = table[table.split == number]
        found = Counter(zip(rows.y, rows.place, strict=True))
        for (y, place), expected in GROUPS[split].items():
            there = found[y, place]
            if (complete and there != expected) or y not in set(rows.y):
                group = f"{split} {WATERBIRDS[y]} on {PLACES[place]}"
                wrong.append(
                    f"{group}: {there} images, not {expected if complete else 'one or more'}"
                )
        images = Pictures(list(rows.img_filename), reader(root), size, stretched)
        splits.append(Unread(images, rows.y.to_numpy(np.int64)))
    _refuse(path, wrong, "8 groups")
    named = [name for split in splits for name in split.images.names]
    missing = [name for name in named if not (root / name).is_file()]
    _refuse(path, [f"{name}: is missing" for name in missing], f"{len(named)} images")
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
    """One line that says how much is wrong, and what first; the folder and more of it below."""
    if wrong:
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        line = f"dataset.path: {len(wrong)} of {of} are wrong: {wrong[0]}{more}"
        raise UserError(line, "\n".join([f"in {path}:", *wrong[:LISTED]]))


def _words(counts: range) -> str:
    return f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]}"
