"""Image files in a folder or a tar archive: listed by class, decoded one at a time."""

import io
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff.core import paths
from modeldiff.core.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
LARGEST = 2**30  # bytes of an image file

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
        with _archive(root) as archive:
            members = [m.name.removeprefix("./") for m in archive if m.isfile()]

        def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
            with _archive(root) as archive:  # in the archive's order: it is read once
                for member in archive:
                    name = member.name.removeprefix("./")
                    if name in chosen and (file := archive.extractfile(member)):
                        _check_size(name, member.size)
                        yield name, file.read()

    names: Listing = defaultdict(list)
    for member in sorted(set(members)):  # an archive may hold a name twice: the last one counts
        parts = member.split("/")
        if len(parts) == 3 and Path(member).suffix.lower() in SUFFIXES:
            names[parts[0], parts[1]].append(member)
    return names, read


@contextmanager
def _archive(root: Path) -> Iterator[tarfile.TarFile]:
    """A tar archive, compressed or not; UserError if it is something else, or damaged."""
    try:
        with tarfile.open(root) as archive:
            yield archive
    except UserError:
        raise
    except Exception as error:  # each compression has errors of its own
        raise UserError(
            f"dataset.path: {root}: is neither a folder nor a tar archive: {error}"
        ) from None


def _check_size(name: str, size: int) -> None:
    """UserError for a file so large that reading it would fill the memory."""
    if size > LARGEST:
        raise UserError(f"{name}: has {size:,} bytes; an image must have at most {LARGEST:,}")


def reader(root: Path) -> Reader:
    """Read files below `root` by their names; UserError for the first that is not a file."""

    def read(chosen: set[str]) -> Iterator[tuple[str, bytes]]:
        for name in sorted(chosen):
            _check_size(name, paths.regular(root / name).st_size)
            try:
                yield name, (root / name).read_bytes()
            except OSError as error:
                raise UserError(f"{root / name}: cannot be read: {error.strerror}") from None

    return read


class Pictures:
    """Image files, in order: like uint8 [n x 3 x size x size], but decoded one at a time.

    shaped: `function(image, size) -> image` of size x size pixels.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, names: Sequence[str], read: Reader, size: int, shaped: Shaper):
        self.names = names
        self.read = read
        self.size = size
        self.shaped = shaped
        self.shape = (len(names), 3, size, size)

    def __len__(self) -> int:
        return len(self.names)

    def placed(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each image with its place, once, in the order in which files are read fastest.

        Raises UserError that names the first file that is not an image.
        """
        place = {name: i for i, name in enumerate(self.names)}
        for name, content in self.read(set(self.names)):
            yield place[name], self.decoded(name, content)

    def decoded(self, name: str, content: bytes) -> np.ndarray:
        """An image file as uint8 [3 x size x size]."""
        from PIL import Image

        try:
            image = Image.open(io.BytesIO(content)).convert("RGB")
        except Exception as error:  # each format has errors of its own; a bomb is refused, too
            raise UserError(f"{name}: cannot be read as an image: {error}") from None
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
