"""Where a training loop's batches come from.

For each epoch a loader is asked for the examples of several models at once, and gives them batch by
batch in exactly the order requested: what a model sees depends on its keyed order alone, never on
the loader.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from modeldiff.dataset import Images

Prepare = Callable[[Tensor], Tensor]


class Batch(NamedTuple):
    """One step's examples of several models.

    images: float32 [models x batch x C x H x W], or of a table [models x batch x columns]; labels:
    int64 [models x batch]; rows: int64 [models x batch], which training examples they are.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor


class Loader(Protocol):
    """Gives batches of training examples on the device."""

    def epoch(self, rows: Tensor, batch: int) -> Iterator[Batch]:
        """The training examples `rows`, int64 [models x n], in that order, `batch` a step."""


class InMemoryLoader:
    """All training images decoded once and kept on the device.

    prepare: applied to every image, once. None: images change from epoch to epoch, so they are kept
    as uint8, a quarter of the size, and become float32 in each batch; on a CPU they stay in the
    mapped file, of which the operating system caches as much as it can.
    """

    def __init__(self, data: Images, prepare: Prepare | None, device: str):
        self.images = torch.from_numpy(data.images).to(device)
        if prepare is not None:
            self.images = prepare(to_float(self.images))
        self.labels = torch.from_numpy(data.labels).to(device)

    def epoch(self, rows: Tensor, batch: int) -> Iterator[Batch]:
        """See `Loader.epoch`."""
        for some in rows.split(batch, dim=1):
            yield Batch(to_float(self.images[some]), self.labels[some], some)


def to_float(images: Tensor) -> Tensor:
    """Examples as models are given them: uint8 images as float32 in [0, 1], the bytes of texts and
    the symbols of sequences as int64; what is float32 or int64 already as it is.
    """
    if images.dtype != torch.uint8:
        return images
    return images.float() / 255 if images.ndim >= 4 else images.long()
