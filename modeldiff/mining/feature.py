"""A feature that can be put on any image: what mining finds, freezes and proves."""

from dataclasses import dataclass

import numpy as np

from modeldiff import transformations
from modeldiff.core import rng
from modeldiff.transformations.library import Setting

KINDS = ("patch", "learned patch", "learned pattern", "edit")
RECOGNISED = ("patch", "edit")  # what a person may recognise, and has seen in images


@dataclass(frozen=True)
class Feature:
    """A change of images that stays as it is.

    kind: one of `KINDS`. mask: float32 [height x width], 0 to 1, and picture: float32 [channels x
    height x width]. A patch is the picture where the mask is 1, mixed with the image below 1; a
    learned pattern is added to the image, mask times picture; an edit has neither, but a setting:
    a transformation at a strength. anywhere: a patch is put at a random place of each image.
    source: of a patch, the training image that it is cut out of.
    """

    kind: str
    mask: np.ndarray
    picture: np.ndarray
    anywhere: bool = False
    source: int | None = None
    setting: Setting | None = None

    def on(self, images: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Images, float32 [n x channels x height x width] in [0, 1], with the feature.

        strength: 0 to 1, how far from an image as it is to the image with the feature.
        """
        changed = self._whole(images)
        return changed if strength == 1 else images + np.float32(strength) * (changed - images)

    def _whole(self, images: np.ndarray) -> np.ndarray:
        if self.setting is not None:
            return transformations.apply(self.setting.part, images, self.setting.strength)
        if self.kind == "learned pattern":
            return np.clip(images + self.mask * self.picture, 0, 1)
        if self.anywhere:
            return self._scattered(images)
        return images + self.mask * (self.picture - images)

    def _scattered(self, images: np.ndarray) -> np.ndarray:
        """With the masked part at a random place, keyed by the image's position among `images`."""
        (top, left), (height, width) = self.box
        box = slice(top, top + height), slice(left, left + width)
        mask = self.mask[box]
        part = self.picture[:, *box]
        room = np.array(images.shape[2:]) - (height, width) + 1
        places = rng.uniform(2 * len(images), "mined", "anywhere").reshape(-1, 2) * room
        changed = images.copy()
        for image, (row, column) in zip(changed, places.astype(int), strict=True):
            place = image[:, row : row + height, column : column + width]
            place += mask * (part - place)
        return changed

    @property
    def family(self) -> tuple[object, ...]:
        """What it has in common with features that differ in place, picture or strength alone."""
        if self.setting is not None:
            return self.kind, self.setting.part.name
        return self.kind, self.anywhere, self.box[1]

    @property
    def box(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The smallest rectangle that holds the mask: its top and left, its height and width."""
        rows = np.flatnonzero(self.mask.any(1))
        columns = np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return (0, 0), (0, 0)
        top, left = int(rows[0]), int(columns[0])
        return (top, left), (int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)
