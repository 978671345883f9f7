"""TRAK scores by the `traker` package, without two of its pitfalls.

Features are kept by content, not by number, so that old files are never used for other checkpoints
or data. Loaders that shuffle or drop examples would silently misalign columns, so they are refused.
Source: Park et al. 2023, arXiv 2303.14186.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldiff.core.errors import UserError

SKETCH = 100  # dimensions for which, or for fewer, traker's projector fails on a CPU


def scores(
    module: torch.nn.Module,
    checkpoints: Sequence[Mapping[str, Tensor]],
    train: Any,
    targets: Any,
    folder: str | Path,
    *,
    projected: int | None = None,
    device: str | None = None,
) -> np.ndarray:
    """TRAK scores of the targets: float32 [n_targets x n_train], the mean over `checkpoints`.

    train, targets: torch DataLoaders of (images, labels) in their data sets' order.
    folder: where features are kept for later calls. projected: dimensions that gradients are
    projected to; None: 2,048, or half the training examples if that is less. With as many
    dimensions as examples the scores would be noise.
    device: where to compute, None: on a GPU if there is one.
    Raises UserError without traker, without checkpoints, for a loader that shuffles or drops, or
    for too few training examples.
    """
    try:
        from trak import TRAKer
    except ModuleNotFoundError:
        raise UserError("traker is not installed: pip install 'modeldiff[trak]'") from None
    if not checkpoints:
        raise UserError("checkpoints: none given; TRAK needs one or more state dicts")
    _check_order(train, "train")
    _check_order(targets, "targets")
    dimensions = projected or min(2048, len(train.dataset) // 2)
    if dimensions <= SKETCH:
        raise UserError(
            f"train_loader: has {len(train.dataset)} examples; TRAK needs more than {2 * SKETCH}"
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    module = module.to(device).eval()
    tracer = TRAKer(
        model=module,
        task="image_classification",
        train_set_size=len(train.dataset),
        save_dir=str(Path(folder) / _digest(checkpoints, train)),
        device=device,
        proj_dim=dimensions,
        use_half_precision=device == "cuda",
        logging_level=logging.ERROR,
    )
    experiment = _digest([], targets)
    for number, checkpoint in enumerate(checkpoints):
        tracer.load_checkpoint(dict(checkpoint), model_id=number)
        for batch in _batches(train, device):
            tracer.featurize(batch=batch, num_samples=len(batch[0]))
    tracer.finalize_features()
    for number, checkpoint in enumerate(checkpoints):
        tracer.start_scoring_checkpoint(
            exp_name=experiment,
            checkpoint=dict(checkpoint),
            model_id=number,
            num_targets=len(targets.dataset),
        )
        for batch in _batches(targets, device):
            tracer.score(batch=batch, num_samples=len(batch[0]))
    by_example = np.asarray(tracer.finalize_scores(exp_name=experiment), np.float32)
    return np.ascontiguousarray(by_example.T)


def _check_order(loader: Any, name: str) -> None:
    sampler = getattr(loader, "sampler", None)
    if not isinstance(sampler, torch.utils.data.SequentialSampler) or loader.drop_last:
        raise UserError(
            f"{name}_loader: shuffles or drops examples, which would misalign the scores; "
            "make it with shuffle=False, drop_last=False"
        )


def _batches(loader: Any, device: str) -> Iterator[list[Tensor]]:
    for batch in loader:
        yield [tensor.to(device) for tensor in batch]


def _digest(checkpoints: Sequence[Mapping[str, Tensor]], loader: Any) -> str:
    """A name for these weights and these examples."""
    content = hashlib.sha256()
    for checkpoint in checkpoints:
        for name, tensor in checkpoint.items():
            content.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    for batch in loader:
        for tensor in batch:
            content.update(tensor.numpy().tobytes())
    return content.hexdigest()[:16]
