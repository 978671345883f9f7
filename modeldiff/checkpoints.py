"""Two sets of trained models, compared without training anything: what they say, and propose."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from modeldiff.attribution.checkpoints import Measured, measure
from modeldiff.core import arguments, artifacts
from modeldiff.dataset.arrays import Split, of_arrays
from modeldiff.notebook import check_names
from modeldiff.proof import of_difference
from modeldiff.report import checkpoint_page, predictions
from modeldiff.report.checkpoint_page import Checkpoints, Proposed
from modeldiff.report.proof_config import write_proof
from modeldiff.report.words import percent

if TYPE_CHECKING:
    from torch import nn

EXAMPLES = 5  # of each proposal that the table lists


@dataclass(frozen=True, repr=False)
class ComparedCheckpoints:
    """What `compare_checkpoints` found. In a notebook it shows itself.

    found: predictions and proposals. influence_a, influence_b: float32 [test images x training
    images], mean over models, how far each training image raises the margin of each test image.
    """

    found: Checkpoints
    influence_a: np.ndarray
    influence_b: np.ndarray

    def __repr__(self) -> str:
        """One line: how good both are, how often they disagree, and what is only proposed."""
        found = self.found
        a = found.known_a
        b = found.known_b
        apart = found.disagreement
        return (
            f"{found.a} - {found.b}: accuracy {percent(a.accuracy.mean())} and "
            f"{percent(b.accuracy.mean())} ({a.models} and {b.models} models); one of each "
            f"disagree on {percent(apart.between)} of test images, two of {found.a} on "
            f"{percent(apart.within_a)}, two of {found.b} on {percent(apart.within_b)}; "
            f"{len(found.proposed)} differences proposed by gradients, none proved"
        )

    def _repr_html_(self) -> str:
        """The same, with the tables of classes and of proposals."""
        tables = ""
        for table in (self.by_class(), self.to_frame()):
            tables += table.to_html(index=False, float_format="{:.3g}".format)
        return f"<p>{html.escape(repr(self))}</p>{tables}"

    def to_frame(self) -> pd.DataFrame:
        """A row for each proposal, strongest first; gradients propose, only retraining proves.

        Columns: proposal (from 1), follower (the recipe whose margins follow it further, by
        gradients), share (of the squares of what differs), pull_a, pull_b (how far its training
        images raise, or below 0 lower, the margins of its test images under A and under B, in units
        of the influence), train_examples and test_examples (the strongest, lists of int).
        """
        rows = []
        for number, one in enumerate(self.found.proposed, 1):
            row = {
                "proposal": number,
                "follower": self.found.a if one.follows_a else self.found.b,
                "share": one.proposal.share,
                "pull_a": one.pull_a,
                "pull_b": one.pull_b,
                "train_examples": one.strongest_train(EXAMPLES).tolist(),
                "test_examples": one.strongest_test(EXAMPLES).tolist(),
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def by_class(self) -> pd.DataFrame:
        """A row for each class: how often both are right, and how often models disagree.

        Columns: class, images (test images), accuracy_a, accuracy_b, and the share of pairs of
        models and images on which predictions differ: between (one of A, one of B), within_a,
        within_b (two of one recipe; NaN where there is one model).
        """
        rows = []
        for row in self.found.classes:
            entry = {
                "class": row.accuracy.name,
                "images": row.accuracy.images,
                "accuracy_a": row.accuracy.a,
                "accuracy_b": row.accuracy.b,
                "between": row.disagreement.between,
                "within_a": row.disagreement.within_a,
                "within_b": row.disagreement.within_b,
            }
            rows.append(entry)
        return pd.DataFrame(rows)

    def report(self, path: str | Path) -> None:
        """Write one self-contained HTML page, with images of what is proposed."""
        with artifacts.atomic_write(path) as file:
            file.write(checkpoint_page.render(self.found).encode())

    def prepare_proof(self, folder: str | Path) -> Path:
        """Write a config whose study proves the proposals, or does not; returns its path.

        folder: gets `prove.yaml`, the images of each proposal (`proposal-1.csv`, ...) and the
        influences of both (`influence-a.npy`, `influence-b.npy`). The config names your data and
        training as functions of a module `mine`, docs/checkpoints.md shows which; `modeldiff run
        FOLDER/prove.yaml` then trains new models of both recipes. The data must have the same
        images in the same order.
        """
        return write_proof(self.found, self.influence_a, self.influence_b, Path(folder))


def compare_checkpoints(
    models_a: "Iterable[nn.Module]",
    models_b: "Iterable[nn.Module]",
    *,
    train: Split,
    test: Split,
    classes: Sequence[str] | None = None,
    names: tuple[str, str] = ("A", "B"),
    proposals: int = 4,
    device: str = "cpu",
) -> ComparedCheckpoints:
    """Compare two recipes by models of theirs that were trained on all training images.

    models_a, models_b: torch modules with their weights, one or more of each recipe (other seeds);
    an iterator is read one model at a time. A module takes float32 [n x channels x height x width]
    in [0, 1], so it normalises images itself, and returns logits, float32 [n x classes].
    train, test: (images, labels) each. images: uint8, or floats from 0 to 1 (kept in 256 steps), [n
    x height x width] or [n x channels x height x width], all that the models were trained on, in
    any order. labels: whole numbers [n]. classes: their names; None: the numbers. names: what the
    recipes are called. proposals: how many groups of images gradients propose. device: of torch.

    Accuracy and disagreement are measured. Proposals are the leading singular vectors of the
    difference of both recipes' influences, see docs/proof.md: where they may differ. They prove
    nothing: even two seeds of one recipe have some. `prepare_proof` says what would.
    Memory: 4 bytes for each test and training image, a few times, and what
    `attribution.gradients.influences` states; it does not grow with the number of models.
    Raises UserError for what is no such model, image or label, and for influences that are not
    finite or do not differ.
    """
    check_names(names)
    data = of_arrays(train, test, classes)
    arguments.whole("proposals", proposals, 1, min(len(data.train.labels), len(data.test.labels)))
    arguments.torch_device("device", device)
    a = measure("models_a", models_a, data, device=device)
    b = measure("models_b", models_b, data, device=device)
    found = Checkpoints(
        a=names[0],
        b=names[1],
        data=data,
        known_a=predictions.of_classes(a.predicted, data.test.labels),
        known_b=predictions.of_classes(b.predicted, data.test.labels),
        proposed=_proposed(a, b, proposals),
    )
    return ComparedCheckpoints(found=found, influence_a=a.influence, influence_b=b.influence)


def _proposed(a: Measured, b: Measured, proposals: int) -> tuple[Proposed, ...]:
    """Proposals, signed so that a small, extreme group of training images has weights above 0."""
    found = []
    for proposal in of_difference(a.influence, b.influence, "influence", proposals):
        pull_a = float(proposal.targets @ (a.influence @ proposal.examples))
        pull_b = float(proposal.targets @ (b.influence @ proposal.examples))
        one = Proposed(proposal=proposal, pull_a=pull_a, pull_b=pull_b)
        found.append(one if (proposal.examples**3).sum() >= 0 else one.turned())
    return tuple(found)
