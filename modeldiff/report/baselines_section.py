"""What the page says of other ways to compare, and whether they meet what is proved or found."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from modeldiff.baselines.sequence_automata import ACCEPTED
from modeldiff.dataset import Dataset
from modeldiff.report.baselines import Baselines
from modeldiff.report.opening import SHOWN, still
from modeldiff.report.pairs import Pair
from modeldiff.report.results import Results
from modeldiff.study.symbols import marks

STRONG = 0.5  # of the largest weight: a direction's images are those of at least that


@dataclass(frozen=True)
class Reference:
    """The test images of what a pair's page is about. images: numbers, int64."""

    words: str
    images: np.ndarray


@dataclass(frozen=True)
class Met:
    """How the images that a measure names meet those of a reference.

    precision: share of the named ones that are among them; recall: share of them that are named.
    None where there are none.
    """

    precision: float | None
    recall: float | None


def reference(results: Results, pair: Pair) -> Reference | None:
    """The images to meet: of the first proved proposal, else of the first direction that stands
    out; of those that baselines looked at. None where there is neither.
    """
    if pair.baselines is None:
        return None
    proved = [one for one in pair.proofs if one.differs]
    standing = [way for way in pair.ways if way.significant[0]]
    if proved:
        words = proved[0].proposal.group or f"proposal {proved[0].number}, which is proved"
        weights = proved[0].proposal.targets
    elif standing:
        words = f"direction 1 of {standing[0].first} minus {standing[0].second}"
        weights = standing[0].projections[:, 0]
    else:
        return None
    strong = np.abs(weights) >= STRONG * np.abs(weights).max()
    images = results.data.targets[strong]
    return Reference(words, images[np.isin(images, pair.baselines.looked_at)])


def section(results: Results, pair: Pair, baselines: Baselines) -> dict[str, Any]:
    """What the page's section says of a pair."""
    wanted = reference(results, pair)
    rows = []
    strips = []
    for one in baselines.measured:
        row: dict[str, Any] = {
            "row": one.row,
            "unit": results.data.kind.said(one.unit),
            "differs": one.differs,
        }
        row |= {"seconds": one.seconds, "names": None, "met": None}
        if one.named is not None:
            row["names"] = len(one.named)
            row["met"] = met(one.named, wanted.images) if wanted else None
            shown = [still(results, "test", example) for example in one.named[:SHOWN].tolist()]
            if shown:
                strips.append({"measure": one.row["measure"], "images": shown})
        rows.append(row)
    most = {side: max(one.row[f"models_{side}"] for one in baselines.measured) for side in "ab"}
    fewer = [one.row for one in baselines.measured if one.row["models_a"] < most["a"]]
    return {
        "rows": rows,
        "strips": strips,
        "reference": wanted,
        "models": most,
        "fewer": fewer[0] if fewer else None,
        "images": len(baselines.looked_at),
        "failed": sum(baselines.failed),
        "rules": _rules(baselines),
        "words": words(results.data, baselines),
        "accepted": results.data.classes[ACCEPTED],
        "learns": any(one.row["method"] == "dcca" for one in baselines.measured),
    }


def words(data: Dataset, baselines: Baselines) -> list[dict[str, Any]] | None:
    """Words on which the recipes differ by their automata, as they are shown; None where these were
    not asked for.
    """
    if baselines.words is None:
        return None
    return [asdict(one) | {"word": marks(one.word, data.alphabet)} for one in baselines.words]


def _rules(baselines: Baselines) -> dict[str, Any] | None:
    """The rules, and how good all are together; None where none were asked for."""
    if not baselines.rules:
        return None
    *rules, covered, judged = baselines.rules
    return {
        "rules": rules,
        "precision": covered["differ"] / covered["images"] if covered["images"] else None,
        "recall": covered["differ"] / judged["differ"] if judged["differ"] else None,
        "covered": covered,
        "judged": judged,
    }


def met(named: np.ndarray, wanted: np.ndarray) -> Met:
    """How named images meet those wanted; both are numbers of images, each once."""
    both = len(np.intersect1d(named, wanted))
    return Met(
        precision=both / len(named) if len(named) else None,
        recall=both / len(wanted) if len(wanted) else None,
    )
