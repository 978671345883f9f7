"""The rule's step: influences of an algorithm, averaged over models trained on all data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modeldiff.attribution.gradients import influences
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, Images
from modeldiff.study import Study
from modeldiff.study.proof_section import INFLUENCE_KINDS
from modeldiff.training.shard import load_full


def write(
    study: Study,
    name: str,
    data: Dataset,
    checkpoints: Sequence[str | Path],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Write how far each training image raises the margin of each target, by gradients.

    checkpoints: models of the algorithm `name` on all training images; as many as the study's
    `proof.proposers` are used. output: .npz, `influence` and `predictive` (times 1 - p of the
    training image), float32 [targets x train], means over models. Memory: both, and what
    `gradients.influences` states.
    Raises UserError if an influence is not finite: then a model has diverged.
    """
    most = study.proof.proposers
    targets = Images(data.test.images[data.targets], data.test.labels[data.targets])
    shape = len(targets.labels), len(data.train.labels)
    total = {kind: np.zeros(shape, np.float32) for kind in INFLUENCE_KINDS}
    models = 0
    for trained in load_full(study, name, data, checkpoints, device=device, first=most):
        for part in influences(trained, data.train, targets):
            rows = slice(part.targets.start, part.targets.stop)
            total["influence"][rows] += part.values.cpu().numpy()
            total["predictive"][rows] += (part.values * part.wrong).cpu().numpy()
        models += trained.models
    for scores in total.values():
        scores /= models
        if not np.isfinite(scores).all():
            raise UserError(
                f"algorithms.{name}: gradients are not finite: one of its first {models} models "
                "trained on all data has diverged; lower its learning rate"
            )
    with artifacts.write(output, study.key("gradients", name), models=models) as file:
        artifacts.write_arrays(file, total)
