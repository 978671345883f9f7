"""Checks, before anything is trained, that a data set is complete and readable."""

import hashlib
from collections.abc import Iterator

import numpy as np

from modeldiff.core.errors import UserError
from modeldiff.dataset import loading
from modeldiff.dataset.pictures import Pictures
from modeldiff.dataset.raw import LazyImages
from modeldiff.study.components import Component
from modeldiff.study.kinds import KINDS


def check(part: Component, checksum: str | None = None) -> Iterator[str]:
    """Read every example of the data set a config names; yields lines on what was found.

    checksum: SHA-256 that the files must have, as printed by an earlier check; only image files
    have one. Raises UserError, with counts, if the data are incomplete or not as expected.
    """
    raw = loading.load(part)
    pictures = []
    for name, split in (("train", raw.train), ("test", raw.test)):
        counts = np.bincount(split.labels, minlength=len(raw.classes))
        of = ", ".join(f"{c} {n:,}" for c, n in zip(raw.classes, counts, strict=True))
        yield f"{name}: {len(split.labels):,} {KINDS[raw.kind].many} ({of})"
        if isinstance(split, LazyImages):
            pictures.append(split.images)
    if pictures:
        actual = _opened(pictures)
        yield f"every image opens; SHA-256 of all files {actual}"
        if checksum not in (None, actual):
            raise UserError(f"dataset.path: the files' SHA-256 is {actual}, not {checksum}")
    elif checksum is not None:
        raise UserError(f"--sha256: {part.name} is not read from image files: it has no checksum")


def _opened(pictures: list[Pictures]) -> str:
    """Decode every image file; SHA-256 over names and contents, independent of their order."""
    files = {}
    broken = []
    for images in pictures:
        for name, content in images.read(set(images.names)):
            files[name] = hashlib.sha256(content).hexdigest()
            try:
                images.decoded(name, content)
            except UserError:
                broken.append(name)
    if broken:
        first = ", ".join(sorted(broken)[:3])
        more = ", ..." if len(broken) > 3 else ""
        raise UserError(
            f"dataset.path: {len(broken):,} of {len(files):,} images cannot be opened: "
            f"{first}{more}"
        )
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(text.encode()).hexdigest()
