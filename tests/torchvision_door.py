"""torchvision through the project's door, for tests that compare with it."""

from modeldiff.core.vision import torchvision

torchvision()
from torchvision import models  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

__all__ = ["models", "v2"]
