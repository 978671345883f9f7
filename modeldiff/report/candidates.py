"""What the library of transformations offers for a direction; a person decides."""

import json
from typing import Any

from modeldiff.report.pairs import Pair, Way

MOST = 5  # candidates of a direction


def proposed(pair: Pair, way: Way, i: int) -> list[dict[str, Any]]:
    """The first candidates for direction `i` (from 0): columns of `candidates.propose`, and
    `apart`, whether the interval leaves out 0.
    """
    table = pair.candidates
    of_direction = table[(table["way"] == way.name) & (table["direction"] == i + 1)]
    rows = of_direction.head(MOST).to_dict("records")
    for row in rows:
        row["options"] = json.loads(row["options"])
        row["apart"] = row["low"] > 0 or row["high"] < 0
    return rows
