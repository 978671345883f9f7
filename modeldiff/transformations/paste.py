"""Objects pasted into the background. Source of size, place and brightness: the authors' code."""

from functools import cache

import numpy as np

from modeldiff.core import paths, rng
from modeldiff.core.errors import UserError

BRIGHTNESS = 1.2


def paste(
    images: np.ndarray, strength: float, *, picture: str | None = None, size: int = 100
) -> np.ndarray:
    """Paste `strength` objects on each image, near its borders (Beta(0.1, 0.1) both ways).

    picture: a file with an alpha channel; None draws a face. size: its side in pixels on an image
    of 224 x 224, in proportion on others.
    """
    from scipy.special import betaincinv

    n, channels, height, width = images.shape
    side = max(1, round(0.5 * (width + height) * size / 224))
    colours, alpha = _object(picture, side)
    if channels == 1:
        colours = colours.mean(0, keepdims=True)
    changed = images.copy()
    for k in range(int(strength)):
        places = betaincinv(0.1, 0.1, rng.uniform(2 * n, "paste", k)).reshape(n, 2)
        tops = np.round(places[:, 0] * max(height - side, 0)).astype(int)
        lefts = np.round(places[:, 1] * max(width - side, 0)).astype(int)
        for image, top, left in zip(changed, tops, lefts, strict=True):
            place = image[:, top : top + side, left : left + side]
            cut = (slice(place.shape[1]), slice(place.shape[2]))
            place += alpha[cut] * (colours[:, *cut] - place)
    return changed


@cache
def _object(picture: str | None, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours float32 [3 x side x side], brightened, and opacity float32 [side x side]."""
    from PIL import Image

    if picture is None:
        drawn = _face()
    else:
        paths.check(picture)
        try:
            drawn = Image.open(picture).convert("RGBA")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"paste: picture {picture}: cannot be read: {error}") from None
    pixels = np.asarray(drawn.resize((side, side)), np.float32) / 255
    colours = np.clip(pixels[..., :3].transpose(2, 0, 1) * BRIGHTNESS, 0, 1)
    return colours.astype(np.float32), pixels[..., 3]


def _face():  # type: ignore[no-untyped-def]
    """A simple face on a transparent ground."""
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (200, 200))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 10, 170, 190), fill=(205, 160, 130, 255))
    draw.pieslice((26, 4, 174, 140), 180, 360, fill=(70, 45, 30, 255))
    draw.ellipse((46, 44, 154, 150), fill=(205, 160, 130, 255))
    for x in (72, 128):
        draw.ellipse((x - 13, 78, x + 13, 94), fill=(250, 250, 250, 255))
        draw.ellipse((x - 6, 79, x + 6, 93), fill=(50, 30, 20, 255))
    draw.polygon([(100, 92), (90, 124), (110, 124)], fill=(180, 130, 105, 255))
    draw.arc((70, 112, 130, 160), 20, 160, fill=(150, 50, 50, 255), width=7)
    return image
