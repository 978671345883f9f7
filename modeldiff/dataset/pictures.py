"""Image files in a folder or a tar archive: listed by class, decoded one at a time."""

import io
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff.core import paths
from modeldiff.core.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}

Listing = dict[tuple[str, str], list[str]]
Reader = Callable[[set[str]], Iterator[tuple[str, bytes]]]
Shaper = Callable[["Image", int], "Image"]


def listing(path: str) -> tuple[Listing, Reader]:
    """Image names `split/class/*` by (split, class), sorted, and how to read some of them."""
    root = Path(path)
    if root.is_dir():
        members = [p.relative_to(root).as_posix() for p in root.glob("*/*/*")]
        read = reader(root)
    else:
        paths.check(root)
        try:
            with tarfile.open(root) as archive:
                members = [m.name.removeprefix("./") for m in archive if m.isfile()]
        except (OSError, tarfile.TarError) as error:
            raise UserError(f"dataset.path: {path}: is no folder or tar archive: {error}") from None

        def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
            with tarfile.open(root) as archive:  # in the archive's order: it is read once
                for member in archive:
                    name = member.name.removeprefix("./")
                    if name in chosen and (file := archive.extractfile(member)):
                        yield name, file.read()

    names: Listing = defaultdict(list)
    for member in sorted(members):
        parts = member.split("/")
        if len(parts) == 3 and Path(member).suffix.lower() in SUFFIXES:
            names[parts[0], parts[1]].append(member)
    return names, read


def reader(root: Path) -> Reader:
    """Read files below `root` by their names."""

    def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
        return ((name, (root / name).read_bytes()) for name in sorted(chosen))

    return read


class Pictures:
    """Image files, in order: like uint8 [n x 3 x size x size], but decoded one at a time.

    shaped: `function(image, size) -> image` of size x size pixels.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, names: Sequence[str], read: Reader, size: int, shaped: Shaper):
        self.names, self.read, self.size, self.shaped = names, read, size, shaped
        self.shape = (len(names), 3, size, size)

    def __len__(self) -> int:
        return len(self.names)

    def placed(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each image with its place, once, in the order in which files are read fastest.

        Raises UserError that names the first file that is no image.
        """
        place = {name: i for i, name in enumerate(self.names)}
        for name, content in self.read(set(self.names)):
            yield place[name], self.decoded(name, content)

    def decoded(self, name: str, content: bytes) -> np.ndarray:
        """An image file as uint8 [3 x size x size]."""
        from PIL import Image

        try:
            image = Image.open(io.BytesIO(content)).convert("RGB")
        except (OSError, SyntaxError, ValueError):  # what Pillow raises for files that are broken
            raise UserError(f"{name}: is not an image that can be read") from None
        if image.size != (self.size, self.size):
            image = self.shaped(image, self.size)
        return np.asarray(image).transpose(2, 0, 1)


def cropped(image: "Image", size: int) -> "Image":
    """The shorter side resized to `size`, the rest cropped around the centre."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def centre(image: "Image", size: int) -> "Image":
    """The shorter side resized to 8/7 of `size` (224: 256), then its centre cut out."""
    from PIL import Image, ImageOps

    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR, bleed=1 / 16)


def stretched(image: "Image", size: int) -> "Image":
    """Both sides resized to `size`, whatever their ratio."""
    from PIL import Image

    return image.resize((size, size), Image.Resampling.BILINEAR)
