"""The datamodels of one algorithm of a study: margins and masks in, one file out.

A large study splits its targets over jobs: `sum_grams`, then `fit_part` for each, then `write`.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modeldiff import margins
from modeldiff.core import artifacts
from modeldiff.core.errors import CorruptArtifact, UserError
from modeldiff.datamodels import Datamodels, Grams, fit, lds
from modeldiff.datamodels.gram import finished
from modeldiff.datamodels.gram_cache import FAILED
from modeldiff.study import stages
from modeldiff.subsets import Masks

if TYPE_CHECKING:
    from modeldiff.study import Study

SUMS = "grams.npz"  # no stage's: Snakemake would delete it before models are added to it
RANGE = 10_000  # models summed between two checks of the clock
SAVE = 600  # seconds of summing that an interrupted job may lose


class Regression:
    """The input of an algorithm's fits: masks and margins of all but the evaluation models.

    masks: bit-packed, of all subsets; gathered: margins of all models. Both stay on disk.
    gradients: where the study has a prior, what `influence_step.write` wrote; it is kept in memory.
    """

    def __init__(
        self,
        study: "Study",
        name: str,
        n_train: int,
        masks: str | Path,
        gathered: str | Path,
        gradients: str | Path | None = None,
    ):
        self.study = study
        self.name = name
        self.all_masks = Masks.open(masks, study.key("subsets"), (study.n_subsets, n_train))
        self.all_margins, _ = margins.read(gathered, study.key("margins", name))
        self.masks = Masks(self.all_masks.packed[study.evaluation_subsets :], n_train)
        self.margins = self.all_margins[study.evaluation_models :]
        self.prior = None
        if study.datamodels.prior and gradients:
            # The influences that predict margins best.
            self.prior = artifacts.arrays(gradients, study.key("gradients", name))["predictive"]


def sum_grams(data: Regression, output: str | Path) -> None:
    """Sum the masks' Gram matrices, which all fits of an algorithm share, into `grams.npz`.

    output: JSON with the number of models summed. Later runs start from `grams.npz` beside it: an
    interrupted job continues, and models that join are added. The sums start anew if they were made
    for other settings, or if a model that had failed has margins now, or the reverse.
    Memory and file: see `Grams`.
    """
    path = Path(output).with_name(SUMS)
    key = data.study.key("grams", data.name)
    folds = data.study.datamodels.folds
    grams = Grams.of(data.masks[:0], data.margins[:0], folds=folds)
    try:
        saved_grams = _read_grams(path, key, data.masks.shape[1])
        if _same_models(saved_grams, data.margins):
            grams = saved_grams
    except CorruptArtifact:
        pass
    total = len(data.margins)
    saved = time.monotonic()
    while (start := len(grams.part)) < total:
        grams = grams.extend(data.masks, data.margins, stop=min(start + RANGE, total))
        if len(grams.part) == total or time.monotonic() - saved > SAVE:
            with artifacts.write(path, key, models=len(grams.part)) as file:
                grams.save(file)
            saved = time.monotonic()
    failed = int((grams.part == FAILED).sum())
    artifacts.write_json(output, {"key": key, "models": total, "failed": failed})


def _same_models(grams: Grams, gathered: np.ndarray) -> bool:
    """Whether all models that were summed are still there, and the same ones have failed."""
    summed = len(grams.part)
    if summed > len(gathered):
        return False
    return np.array_equal(finished(gathered, 0, summed), grams.part != FAILED)


def fit_part(
    data: Regression,
    grams: str | Path,
    part: tuple[int, int],
    output: str | Path,
    *,
    device: str,
) -> None:
    """Fit the targets of one job: of part (i, n) the i-th of n equal shares, i from 0.

    grams: what `sum_grams` wrote. output: .npz, see `Datamodels.save`.
    """
    study = data.study
    i, n = part
    n_targets = data.margins.shape[1]
    if n > n_targets:
        raise UserError(f"datamodels.jobs: is {n}; must be at most the {n_targets} targets")
    settings = study.regression
    del settings["folds"]  # the sums are of these folds
    path = Path(grams).with_name(SUMS)
    key = study.key("grams", data.name)
    try:
        shared = _read_grams(path, key, data.masks.shape[1], device)
    except CorruptArtifact as error:
        # The sums are not an output of a rule; `grams` is, so that one is removed.
        raise CorruptArtifact(str(error), artifact=grams) from None
    targets = np.array_split(np.arange(n_targets), n)[i]
    fitted = fit(
        data.masks,
        data.margins,
        device=device,
        targets=targets,
        grams=shared,
        prior=data.prior,
        **settings,
    )
    with artifacts.write(output, study.key("datamodels", data.name)) as file:
        fitted.save(file)


def write(
    data: Regression, output: str | Path, parts: Sequence[str | Path] = (), *, device: str
) -> None:
    """Fit on all models but the evaluation models, and evaluate on those.

    parts: what the jobs of `fit_part` wrote, in order; without them all targets are fitted here.
    output: .npz, see `Datamodels.save`. Beside it `lds.npz` holds the fields of `Lds`.
    """
    study = data.study
    key = study.key("datamodels", data.name)
    if parts:
        fitted = Datamodels.joined([read(path, key) for path in parts])
    else:
        fitted = fit(data.masks, data.margins, device=device, prior=data.prior, **study.regression)
    held = study.evaluation_models
    evaluation_subsets = np.array([study.subset_of(m) for m in range(held)])
    quality = lds(fitted, data.all_masks[evaluation_subsets], data.all_margins[:held])
    named = {
        "unconverged": fitted.unconverged.tolist(),
        "unconverged_path": fitted.unconverged_path.tolist(),
    }
    for kind, targets in named.items():
        if targets:
            print(f"modeldiff: {data.name}: {kind}: {len(targets)} targets, rows {targets}")
    with artifacts.write(output, key, **named) as file:
        fitted.save(file)
    with artifacts.write(stages.beside(output, "lds"), key) as file:
        artifacts.write_arrays(file, {k: np.asarray(v) for k, v in asdict(quality).items()})


def read(path: str | Path, key: str) -> Datamodels:
    """Datamodels that `write` or `fit_part` made for the settings of `key`."""
    whole = artifacts.verify(path, key)
    try:
        return Datamodels.load(whole)
    except UserError as error:
        raise CorruptArtifact(str(error), artifact=path) from None


def _read_grams(path: Path, key: str, examples: int, device: str = "cpu") -> Grams:
    """Sums that `sum_grams` made for the settings of `key`, over masks of so many examples."""
    whole = artifacts.verify(path, key)
    with artifacts.reading(path, f"file of sums over masks of {examples} examples"):
        grams = Grams.load(whole, device)
        if any(gram.counts.shape != (examples, examples) for gram in grams.parts):
            raise ValueError
    return grams
