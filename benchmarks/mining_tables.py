"""The tables of docs/mining.md, from the rows that `mining.py` keeps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from proof import wilson

from modeldiff.mining.feature import KINDS

Rows = list[dict[str, Any]]
LOCAL = 0.5  # intersection over union that counts as the planted place
HOT = 0.8  # share of the planted pixels among the hottest, likewise


def share(one: dict[str, Any], row: dict[str, Any], place: int | None) -> float:
    """The difference that a feature makes, as a share of what the planted one makes."""
    if place is None:
        return 0.0
    mover, other, *_ = one["effects"][place]
    own_mover, own_other = row["own"]
    return float((mover - other) / (own_mover - own_other))


def spread(values: Sequence[float]) -> str:
    """Median, and least to most."""
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def placed(one: dict[str, Any]) -> bool:
    """Whether the patch or the heat lies where the planted pixels are."""
    return bool(one["iou"][0] >= LOCAL or one["heat_share"] >= HOT)


def planted_table(rows: Rows, planted: Mapping[str, int]) -> list[str]:
    """What is found of what was planted: the first direction of each seed, fixed in advance.

    planted: training images of each kind.
    """
    lines = [
        "| planted | images | found | shown first: patch, learned patch, learned pattern, edit | "
        f"effect as a share of the planted feature's own | place: IoU of the patch >= {LOCAL} or "
        f"heat >= {HOT} | effect on `plain` without random images | without the direction's | the "
        "fall is sure | CPU seconds per direction |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, k in planted.items():
        own = [row for row in rows if (row["what"], row["kind"]) == ("planted", kind)]
        if not own:
            continue
        mined_of = [row["directions"][0] for row in own]
        hits = sum(row["first"] is not None for row in own)
        kinds = [str(sum(row["first"] == place for row in own)) for place in range(len(KINDS))]
        shares = [share(row["directions"][0], row, row["first"]) for row in own]
        local = [placed(one) for one in mined_of if "iou" in one]
        left_out = []
        for row in own:
            if row["first"] is not None:
                left_out.append(row["removal"]["plain"][row["first"]])
        cells = [
            kind,
            str(k),
            wilson(hits, len(own)),
            ", ".join(kinds),
            spread(shares),
            wilson(sum(local), len(local)) if local else "no place",
            spread([random for random, _, _ in left_out]),
            spread([group for _, group, _ in left_out]),
            wilson(sum(low > 0 for *_, low in left_out), len(left_out)),
            f"{np.median([row['seconds'] / len(row['directions']) for row in own]):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def kinds_table(rows: Rows, planted: Iterable[str]) -> list[str]:
    """What each kind of feature comes to alone."""
    lines = [f"| planted | {' | '.join(KINDS)} |", f"|---{'|---' * len(KINDS)}|"]
    for kind in planted:
        own = [row for row in rows if (row["what"], row["kind"]) == ("planted", kind)]
        if not own:
            continue
        cells = [kind]
        for place in range(len(KINDS)):
            hits = sum(row["directions"][0]["found"][place] for row in own)
            shares = [share(row["directions"][0], row, place) for row in own]
            cells.append(f"{hits} of {len(own)}; {np.median(shares):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def null_table(rows: Rows, kinds: Iterable[str]) -> list[str]:
    """What is found where nothing differs."""
    lines = [
        "| nothing differs | pairs with a feature | directions with a feature | features found |",
        "|---|---|---|---|",
    ]
    for kind in kinds:
        own = [row for row in rows if (row["what"], row["kind"]) == ("null", kind)]
        if not own:
            continue
        directions = [one for row in own for one in row["directions"]]
        of_pairs = sum(any(any(one["found"]) for one in row["directions"]) for row in own)
        of_directions = sum(any(one["found"]) for one in directions)
        features = sum(sum(one["found"]) for one in directions)
        cells = [
            kind,
            wilson(of_pairs, len(own)),
            wilson(of_directions, len(directions)),
            f"{features} of {len(KINDS) * len(directions)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
