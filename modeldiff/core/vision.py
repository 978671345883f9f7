"""The only place that imports torchvision.

torchvision's compiled operators cannot be loaded beside a CPU build of torch of another build
line: `import torchvision` then fails with "operator torchvision::nms does not exist", because it
registers a second implementation of two operators that nobody has declared. With both declared
the import works; models, datasets and transforms need none of the compiled operators.
"""

import sys
from types import ModuleType

from modeldiff.core.errors import UserError

MISSING = "operator torchvision::nms does not exist"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_kept: list[object] = []  # a declaration is lost when its library is deleted


def torchvision() -> ModuleType:
    """Import torchvision; UserError if it is not installed."""
    try:
        return _import()
    except ModuleNotFoundError:
        raise UserError("torchvision is not installed: pip install 'modeldiff[images]'") from None
    except RuntimeError as error:
        if MISSING not in str(error):
            raise
    import torch

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-initialised by the failed import
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _kept.append(library)
    return _import()


def _import() -> ModuleType:
    import torchvision as module

    return module
