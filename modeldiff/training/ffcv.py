"""Training images from an FFCV file, for data that do not fit on the device.

FFCV decodes ahead, in threads, in the order that it is given. Its own augmentations are not used:
they draw from one generator in the order of the batches, so that what happens to an example would
depend on its batch, the width and the number of threads. ModelDiff's follow, on the device.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images
from modeldiff.training.loaders import Batch, Prepare, to_float


def write(
    images: np.ndarray, labels: np.ndarray, path: str | Path, key: str, jpeg: int | None
) -> None:
    """Write the artifact `path` in FFCV's format: image, label and index of every example.

    images: uint8 [n x 3 x height x width]; jpeg: quality of their compression, None keeps every
    pixel. Memory holds one page, the labels and 40 bytes per example.

    The steps are those of FFCV's own `DatasetWriter.from_indexed_dataset`, in one process: that
    one waits forever if one of its processes dies, as on a full disk.
    """
    library()
    from ffcv.fields import IntField, RGBImageField
    from ffcv.memory_allocator import MemoryAllocator
    from ffcv.writer import DatasetWriter, handle_sample

    if images.shape[1] != 3:
        raise UserError(
            f"training.loader: ffcv takes images of three channels, not {images.shape[1]}; "
            "set it to resident"
        )
    kind = {"write_mode": "raw"} if jpeg is None else {"write_mode": "jpg", "jpeg_quality": jpeg}
    fields = {"image": RGBImageField(**kind), "label": IntField(), "index": IntField()}
    with artifacts.write(path, key) as file:
        writer = DatasetWriter(file.name, fields, page_size=_page(images[0].nbytes))
        writer.num_samples = len(images)
        writer.prepare()
        try:
            # Filled here and then copied: the shared memory cannot be closed while it is in use.
            metadata = np.zeros(len(images), writer.metadata_type)
            allocator = MemoryAllocator(file.name, writer.data_region_start, writer.page_size)
            with allocator:
                for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                    sample = (np.ascontiguousarray(image.transpose(1, 2, 0)), int(label), i)
                    handle_sample(
                        sample, i, metadata.dtype.names, metadata, allocator, writer.fields
                    )
            writer.metadata_sm.buf[: metadata.nbytes] = metadata.tobytes()
            writer.finalize(allocator.allocations)
        finally:
            writer.metadata_sm.close()
            writer.metadata_sm.unlink()


def _page(image: int) -> int:
    """Bytes of a page: FFCV's 8 MB, or a power of two that holds at least an image."""
    return max(2**23, 2 ** (2 * image).bit_length())


class Ffcv:
    """Training images that FFCV reads; those of `InMemoryLoader` if none is compressed."""

    def __init__(self, data: Images, prepare: Prepare | None, device: str):
        self.path, self.prepare, self.device = data.beton, prepare, device
        self._loader: Any = None
        self._shape = (0, 0)

    def epoch(self, rows: Tensor, batch: int) -> Iterator[Batch]:
        """See `loaders.Loader.epoch`."""
        steps = rows.split(batch, dim=1)
        order = torch.cat([some.flatten() for some in steps]).cpu()
        with closing(iter(self._ordered(order, len(rows) * batch))) as read:
            for some, (images, labels, index) in zip(steps, read, strict=True):
                # Everything is copied: FFCV writes a later batch into the same memory.
                channels_first = images.permute(0, 3, 1, 2).contiguous().to(self.device)
                inputs = to_float(channels_first)
                if not torch.equal(index[:, 0], some.flatten().cpu()):
                    raise RuntimeError(f"{self.path}: FFCV gave other examples than it was asked")
                if self.prepare is not None:
                    inputs = self.prepare(inputs)
                wanted = labels[:, 0].clone().to(self.device)
                yield Batch(inputs.unflatten(0, some.shape), wanted.view(some.shape), some)

    def _ordered(self, order: Tensor, batch: int) -> Any:
        """A loader of these examples. Compiling a new one takes seconds, so it is kept."""
        indices = order.numpy().astype(np.uint64)
        if self._shape != (len(order), batch):
            ffcv, threads = library(), torch.get_num_threads()
            self._loader = ffcv.loader.Loader(
                str(self.path),
                batch_size=batch,
                num_workers=threads,
                order=ffcv.loader.OrderOption.SEQUENTIAL,
                indices=indices,
                drop_last=False,
            )
            self._shape = (len(order), batch)
        self._loader.traversal_order.indices = indices
        return self._loader


def library() -> Any:
    """Import FFCV; UserError, saying how to get it, if that fails."""
    threads = torch.get_num_threads()
    try:
        import ffcv
        import ffcv.loader
    except (ImportError, OSError) as error:
        raise UserError(
            "training.loader: ffcv is not installed, or cannot be loaded "
            f"({' '.join(str(error).split())}): .ci/system-packages and "
            "pip install 'modeldiff[ffcv]', or set it to resident"
        ) from None
    finally:
        torch.set_num_threads(threads)  # FFCV sets it to 1 when it is imported
    return ffcv
