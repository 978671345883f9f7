"""Reads score files: any attribution method's, as one array of numbers."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff.core import paths
from modeldiff.core.errors import UserError

GIGABYTE = 2**30
MOST_PACKED = 200  # a file may be so many times smaller than its numbers, if most of them are 0
KINDS = ".npy, .npz, .pt, .pth or .safetensors"


def read(path: str | Path, *, transposed: bool = False, key: str | None = None) -> np.ndarray:
    """Scores of a file as [targets x train examples]; files that could run code are refused.

    transposed: the file has [train examples x targets]. key: which array, if it has several.
    Raises UserError, one line that names the file.
    """
    content = arrays(path)
    if key is None and len(content) == 1:
        (key,) = content
    if key is not None and None in content:
        raise UserError(f"{path}: holds one unnamed array; leave out the key")
    if key not in content:
        named = ", ".join(map(str, content)) or "none"
        raise UserError(f"{path}: name one of its arrays by key: {named}")
    array = np.asarray(content[key])
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise UserError(
            f"{path}: holds {array.dtype} {list(array.shape)}; must be numbers [targets x train "
            "examples], or [train examples x targets] if transposed"
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # torch reads no other
    return array.T if transposed else array


def arrays(path: str | Path) -> dict[Any, Any]:
    """The arrays of a file by name; a lone one has the name None. UserError names the file."""
    path = Path(path)
    if not os.path.lexists(path):
        raise UserError(f"{path}: does not exist")
    size = paths.regular(path).st_size
    try:
        content = _arrays(path, size)
        for array in content.values():
            _refuse_more(path, size, array.nbytes)
        return content
    except UserError:
        raise
    except Exception as error:  # each format has errors of its own
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: cannot be read as {path.suffix} of numbers: {reason or type(error).__name__}"
        ) from None


def _refuse_more(path: Path, size: int, content: int) -> None:
    """UserError if a file of `size` bytes holds far more `content`: numbers never pack so well."""
    if content > GIGABYTE and content > MOST_PACKED * size:
        raise UserError(
            f"{path}: claims to hold {content:,} bytes in a file of {size:,}; it must store every "
            "number"
        )


def _arrays(path: Path, size: int) -> dict[Any, Any]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        _refuse_more(path, size, unpacked)
    match path.suffix:
        case ".npy":
            return {None: np.load(path, allow_pickle=False)}
        case ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        case ".pt" | ".pth":
            import torch

            content = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(content, dict):
                content = {None: content}
            tensors = {}
            for name, value in content.items():
                if isinstance(value, torch.Tensor):
                    tensors[name] = _numpy(value)
            return tensors
        case ".safetensors":
            try:
                from safetensors.torch import load_file
            except ModuleNotFoundError:
                raise UserError(f"{path}: needs a package: pip install safetensors") from None
            return {name: _numpy(tensor) for name, tensor in load_file(path).items()}
    raise UserError(f"{path}: is of kind {path.suffix or 'unknown'}; must be {KINDS}")


def _numpy(tensor: Any) -> np.ndarray:
    """A tensor as an array; floats as float32, since NumPy lacks bfloat16."""
    tensor = tensor.detach()
    array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array
