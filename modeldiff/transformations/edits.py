"""Changes of a whole image: light, colour, sharpness, texture, shape.

Strengths run from 0 to 1; each says what 1 is.
"""

from collections.abc import Sequence

import numpy as np

from modeldiff.core.errors import UserError


def brighten(images: np.ndarray, strength: float) -> np.ndarray:
    """Add to every value; 1 is all white."""
    return np.minimum(images + np.float32(strength), 1)


def darken(images: np.ndarray, strength: float) -> np.ndarray:
    """Subtract from every value; 1 is all black."""
    return np.maximum(images - np.float32(strength), 0)


def contrast(images: np.ndarray, strength: float) -> np.ndarray:
    """Move values away from the image's mean, up to five times as far."""
    return _away_from(images.mean((1, 2, 3), keepdims=True), images, 4 * strength)


def flatten(images: np.ndarray, strength: float) -> np.ndarray:
    """Move values towards the image's mean; at 1 nothing else is left."""
    return _away_from(images.mean((1, 2, 3), keepdims=True), images, -min(strength, 1))


def saturate(images: np.ndarray, strength: float) -> np.ndarray:
    """Move colours away from grey, up to five times as far."""
    return _away_from(images.mean(1, keepdims=True), images, 4 * strength)


def grey(images: np.ndarray, strength: float) -> np.ndarray:
    """Move colours towards grey; at 1 there is no colour."""
    return _away_from(images.mean(1, keepdims=True), images, -min(strength, 1))


def tint(images: np.ndarray, strength: float, *, colour: Sequence[float] = (1, 1, 0)) -> np.ndarray:
    """Mix with one colour, half and half at 1."""
    value = np.array(colour, np.float32)[:, None, None]
    if len(value) != images.shape[1]:
        raise UserError(f"tint: colour has {len(value)} values; images {images.shape[1]}")
    return images + np.float32(min(strength, 1) / 2) * (value - images)


def blur(images: np.ndarray, strength: float) -> np.ndarray:
    """Blur by a Gaussian; at 1 its standard deviation is an eighth of the side."""
    return _blurred(images, strength * min(images.shape[2:]) / 8)


def sharpen(images: np.ndarray, strength: float) -> np.ndarray:
    """Add what a small blur takes away, up to four times."""
    return _away_from(_blurred(images, 0.7), images, 4 * strength)


def invert(images: np.ndarray, strength: float) -> np.ndarray:
    """Towards the negative, which 1 is."""
    return images + np.float32(min(strength, 1)) * (1 - 2 * images)


def rotate(images: np.ndarray, strength: float) -> np.ndarray:
    """Rotate anticlockwise; 1 is half a turn."""
    from scipy import ndimage

    turned = ndimage.rotate(
        images, 180 * strength, axes=(3, 2), reshape=False, order=1, mode="nearest"
    )
    return np.clip(turned, 0, 1, dtype=np.float32)


def enlarge(images: np.ndarray, strength: float) -> np.ndarray:
    """Enlarge about the centre, to twice the size at 1."""
    return _scaled(images, 1 / (1 + strength))


def shrink(images: np.ndarray, strength: float) -> np.ndarray:
    """Shrink about the centre, to half the size at 1; the edge goes on to the border."""
    return _scaled(images, 1 + strength)


def mirror(images: np.ndarray, strength: float) -> np.ndarray:
    """Left to right, mixed with the image as it is below 1."""
    return images + np.float32(min(strength, 1)) * (images[..., ::-1] - images)


def upend(images: np.ndarray, strength: float) -> np.ndarray:
    """Top to bottom, mixed with the image as it is below 1."""
    return images + np.float32(min(strength, 1)) * (images[:, :, ::-1] - images)


def band(
    images: np.ndarray, strength: float, *, low: float = 0.45, high: float = 0.71
) -> np.ndarray:
    """Amplify the waves of some frequencies, up to five times.

    low, high: cycles per pixel, 0 to 0.71; what is constant stays.
    """
    return _away_from(images - _waves(images, low, high), images, 4 * strength)


def without_band(
    images: np.ndarray, strength: float, *, low: float = 0.45, high: float = 0.71
) -> np.ndarray:
    """Take out the waves of some frequencies; at 1 nothing of them is left. As for `band`."""
    return _away_from(images - _waves(images, low, high), images, -min(strength, 1))


def texture(
    images: np.ndarray, strength: float, *, pattern: str = "board", first: int = 0
) -> np.ndarray:
    """Every other row, column or square of a board brighter by half at 1, the others darker.

    pattern: rows, columns or board; first: 0 if the first pixel is brighter, 1 if it is darker.
    """
    rows, columns = np.indices(images.shape[2:])
    lines = {"rows": rows, "columns": columns, "board": rows + columns}[pattern]
    sign = 1 - 2 * ((lines + first) % 2)
    return np.clip(images + np.float32(strength / 2) * sign.astype(np.float32), 0, 1)


def surroundings(images: np.ndarray, strength: float) -> np.ndarray:
    """Towards the mean colour outside of the centre; at 1 only the centre is left."""
    return _towards_mean(images, strength, 1 - _centre(images.shape[2:]))


def middle(images: np.ndarray, strength: float) -> np.ndarray:
    """Towards the mean colour at the centre; at 1 only the surroundings are left."""
    return _towards_mean(images, strength, _centre(images.shape[2:]))


def _away_from(middle: np.ndarray, images: np.ndarray, share: float) -> np.ndarray:
    """Images further from `middle` by a share of how far they are from it."""
    return np.clip(images + np.float32(share) * (images - middle), 0, 1)


def _blurred(images: np.ndarray, deviation: float) -> np.ndarray:
    from scipy import ndimage

    blurred: np.ndarray = ndimage.gaussian_filter(
        images, (0, 0, deviation, deviation), mode="nearest"
    )
    return np.clip(blurred, 0, 1)


def _scaled(images: np.ndarray, step: float) -> np.ndarray:
    """Every pixel from `step` times as far from the centre."""
    from scipy import ndimage

    height, width = images.shape[2:]
    centre = np.array([0, 0, (height - 1) / 2, (width - 1) / 2])
    factor = np.array([1, 1, step, step])
    scaled = ndimage.affine_transform(
        images, factor, centre - factor * centre, order=1, mode="nearest"
    )
    return np.clip(scaled, 0, 1, dtype=np.float32)


def _waves(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """What images consist of at these frequencies."""
    rows = np.fft.fftfreq(images.shape[2])[:, None]
    columns = np.fft.rfftfreq(images.shape[3])
    frequency = np.hypot(rows, columns)
    kept = (frequency > 0) & (frequency >= low) & (frequency <= high)
    waves = np.fft.irfft2(np.fft.rfft2(images) * kept, s=images.shape[2:])
    return waves.astype(np.float32)


def _centre(shape: tuple[int, ...]) -> np.ndarray:
    """1 within an ellipse of half the area, 0 outside: float32 [height x width]."""
    height, width = shape
    rows = (np.arange(height) + 0.5) / height - 0.5
    columns = (np.arange(width) + 0.5) / width - 0.5
    inside: np.ndarray = np.hypot(rows[:, None], columns) < 0.4
    return inside.astype(np.float32)


def _towards_mean(images: np.ndarray, strength: float, where: np.ndarray) -> np.ndarray:
    mean = images.mean((2, 3), keepdims=True)
    return images + np.float32(min(strength, 1)) * where * (mean - images)
