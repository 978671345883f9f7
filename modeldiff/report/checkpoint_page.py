"""The page of two sets of trained models: what they predict, and what gradients propose."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modeldiff.comparison import ends
from modeldiff.dataset import Dataset
from modeldiff.proof import Proposal
from modeldiff.report import charts, page, page_content, predictions, proof_config
from modeldiff.report.predictions import AccuracyGap, Disagreement, OfClass, Predictions


@dataclass(frozen=True)
class Proposed:
    """A proposal, and how far it moves the margins of its test images under A and under B.

    pull_a, pull_b: weighted by its test images, the influence of its training images; below 0,
    these lower the margins.
    """

    proposal: Proposal
    pull_a: float
    pull_b: float

    @property
    def follows_a(self) -> bool:
        """Whether A follows it at least as far as B."""
        return abs(self.pull_a) >= abs(self.pull_b)

    def turned(self) -> "Proposed":
        """The same with the weights of training images negated."""
        other = replace(self.proposal, examples=-self.proposal.examples)
        return Proposed(proposal=other, pull_a=-self.pull_a, pull_b=-self.pull_b)

    def strongest_train(self, k: int) -> np.ndarray:
        """The `k` training images that it weighs most, int64."""
        strongest, _ = ends(self.proposal.examples, k)
        return strongest

    def strongest_test(self, k: int) -> np.ndarray:
        """The `k` test images that it weighs most, int64."""
        strongest, _ = ends(self.proposal.targets, k)
        return strongest


@dataclass(frozen=True)
class OneClass:
    """What is known of the test images of one class."""

    accuracy: OfClass
    disagreement: Disagreement


@dataclass(frozen=True)
class Checkpoints:
    """Two recipes A and B, seen through models trained on all training images.

    known_a, known_b: what these predict of the test images. proposed: strongest first.
    """

    a: str
    b: str
    data: Dataset
    known_a: Predictions
    known_b: Predictions
    proposed: tuple[Proposed, ...]

    @property
    def gap(self) -> AccuracyGap:
        """How much more accurate A is."""
        return predictions.accuracy_gap(self.known_a, self.known_b)

    @property
    def disagreement(self) -> Disagreement:
        """Over all test images."""
        everything = np.ones(len(self.data.test.labels), bool)
        return predictions.disagreement(self.known_a, self.known_b, everything)

    @property
    def classes(self) -> list[OneClass]:
        """The classes that have test images."""
        found = []
        for label, name in enumerate(self.data.classes):
            chosen = self.data.test.labels == label
            accuracy = predictions.of_images(self.known_a, self.known_b, name, chosen)
            if accuracy is not None:
                apart = predictions.disagreement(self.known_a, self.known_b, chosen)
                found.append(OneClass(accuracy=accuracy, disagreement=apart))
        return found


def render(found: Checkpoints) -> str:
    """One self-contained HTML page."""
    others = predictions.other_answers(found.known_a, found.known_b)
    return page.written(
        "checkpoints.html.jinja",
        _content(found, others),
        found=found,
        classes=found.classes,
        apart=found.disagreement,
        gap=found.gap,
        accuracy_a=float(found.known_a.accuracy.mean()),
        accuracy_b=float(found.known_b.accuracy.mean()),
        others=len(others),
        proposed=[_said(found, one) for one in found.proposed],
        config=proof_config.text(found),
        shown=page_content.DISAGREED,
    )


def _said(found: Checkpoints, one: Proposed) -> dict[str, Any]:
    """What the template says of a proposal."""
    return {
        "share": one.proposal.share,
        "follows_a": one.follows_a,
        "follower": found.a if one.follows_a else found.b,
        "moves": "raise" if max(one.pull_a, one.pull_b, key=abs) > 0 else "lower",
        "pull_a": one.pull_a,
        "pull_b": one.pull_b,
        "train": _classes(found, found.data.train.labels, one.strongest_train(page_content.SHOWN)),
        "test": _classes(found, found.data.test.labels, one.strongest_test(page_content.SHOWN)),
    }


def _classes(found: Checkpoints, labels: np.ndarray, chosen: np.ndarray) -> str:
    """The classes of some images, the most frequent first."""
    counted = Counter(labels[chosen].tolist()).most_common()
    return ", ".join(f"{n} of class {found.data.classes[label]}" for label, n in counted)


def _content(found: Checkpoints, others: np.ndarray) -> dict[str, Any]:
    """What the page's script reads."""
    data = found.data
    pair = {
        "algorithms": [found.a, found.b],
        "ways": [],
        "proposals": [page_content.proposal_strips(data, one.proposal) for one in found.proposed],
        "disagreement": [page_content.disagreement_strips(others, [])],
    }
    known = {found.a: found.known_a, found.b: found.known_b}
    content = page_content.of_examples(data, known, page_content.examples([pair]))
    accuracies = [row.accuracy for row in found.classes]
    return content | {
        "charts": {"accuracy-0": charts.accuracy(found.a, found.b, accuracies)},
        "pairs": [pair],
        "influences": {},
        "planted": {"test": [], "train": []},
    }
