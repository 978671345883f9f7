"""What was found, in a few lines: the end of a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modeldiff import dataset
from modeldiff.core import artifacts
from modeldiff.report.words import p_value
from modeldiff.study import Study, stages
from modeldiff.study.kinds import IMAGE, KINDS, Kind

EXAMPLES = 8


def lines(summary: str | Path) -> str:
    """What stands in a study's `summary.json`, once it is verified."""
    folder = Path(summary).parent
    study = Study.read(folder / stages.STUDY)
    verified = artifacts.verify(summary, study.key("report"))
    manifest = dataset.read_manifest(folder / stages.path("dataset"), study.key("dataset"))
    kind = KINDS[manifest.get("kind", IMAGE.name)]
    with artifacts.reading(summary, "summary of a study"):
        said = list(_lines(json.loads(verified.read_text()), kind))
    return "\n".join([*said, f"report: {folder / stages.path('report')}"])


def _lines(summary: dict[str, Any], kind: Kind) -> Iterator[str]:
    for name, a in summary["algorithms"].items():
        if "scores" in a:
            good = ""
            if full := a.get("full_data"):
                good = f"right on {_percent(full['accuracy']['mean'])} of the test {kind.many}, "
            yield f"{name}: {good}scores from {', '.join(a['scores'])}, not tested"
            continue
        lds, failed = a["lds"], f", {a['failed']} failed" if a["failed"] else ""
        good = f"{_percent(a['accuracy']['mean'])} of margins above 0"
        if full := a.get("full_data"):
            good = f"right on {_percent(full['accuracy']['mean'])} of the test {kind.many}"
        yield (
            f"{name}: {good}, {a['models']} models{failed}, LDS {_two(lds['mean'])} "
            f"[{_two(lds['low'])}, {_two(lds['high'])}] of at most {_two(lds['ceiling'])}"
        )
    for pair in summary["comparisons"][::2]:
        if whole := pair["agreement"]:
            verdict = "differ" if whole["differ"] else "are not shown to differ"
            agreement = "agreement unknown"
            if whole["value"] is not None:
                interval = f"[{_two(whole['low'])}, {_two(whole['high'])}]"
                agreement = f"agreement {_two(whole['value'])} {interval}"
            yield (
                f"{pair['a']} and {pair['b']} {verdict} in how they use the training {kind.many} "
                f"({_p_value(whole['p_value'], pair)}): {agreement}"
            )
        first = pair["directions"][0]
        examples = ", ".join(map(str, first["train_examples"][:EXAMPLES]))
        p = _p_value(first["p_value"], pair)
        if first["p_value"] is not None and not first["significant"]:
            p += ", no more than chance gives"
        yield (
            f"{pair['a']} minus {pair['b']}, direction 1 ({p}): reach "
            f"{_short(first['reach_a'][0])} under {pair['a']}, "
            f"{_short(first['reach_b'][0])} under {pair['b']}; training examples {examples} ..."
        )
    for proof in summary.get("proofs", ()):
        examples = ", ".join(map(str, proof["train_examples"][:EXAMPLES]))
        effects = ", ".join(_effect(proof, side) for side in "ab")
        yield (
            f"proposal {proof['proposal']} ({proof['verdict']}, {p_value(proof['adjusted'])}): "
            f"{effects}; training examples {examples} ..."
        )
    for found in summary.get("mined", ()):
        yield f"proposal {found['proposal']}: {found['sentence']}"
    for row in summary.get("unlearning", ()):
        if row["role"] == "after":
            yield (
                f"{row['algorithm']} has {_two(row['left'])} [{_two(row['low'])}, "
                f"{_two(row['high'])}] of the forgotten group's weight left "
                f"({p_value(row['adjusted'])}), and is right on {_percent(row['accuracy'])}"
            )
    planted = summary["planted"]
    if planted:
        yield (
            f"planted examples: at direction {planted['rank']}, average precision "
            f"{_two(planted['train_ap'])} (training), {_two(planted['test_ap'])} (test)"
        )
    # The last strength of each condition is its strongest: strengths rise.
    full = {(e["transformation"], e["algorithm"]): e for e in summary["effects"]}
    for e in full.values():
        yield (
            f"{e['transformation']} at strength {e['strength']:g} moves {e['algorithm']} towards "
            f"{e['class']} by {_points(e['effect'])} points "
            f"[{_points(e['low'])}, {_points(e['high'])}]"
        )


def _p_value(p: float | None, pair: dict[str, Any]) -> str:
    """A p-value of a comparison; summaries of earlier versions do not say of how many exchanges."""
    return p_value(p, pair.get("exchanges"))


def _effect(proof: dict[str, Any], side: str) -> str:
    """How far one of the two follows a proposal."""
    interval = f"[{proof[f'{side}_low']:+.2f}, {proof[f'{side}_high']:+.2f}]"
    return f"{proof[f'{side}_name']} {proof[side]:+.2f} {interval}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.1%}"


def _two(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _short(value: float | None) -> str:
    return "?" if value is None else f"{value:.2g}"


def _points(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:+.1f}"
