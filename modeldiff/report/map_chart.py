"""The heat map of where a pair differs, as a Vega-Lite specification."""

import numpy as np

from modeldiff.report.cells import Cell
from modeldiff.report.charts import Spec, specification
from modeldiff.study.kinds import IMAGE, Kind


def class_map(cells: list[Cell], classes: list[str], kind: Kind = IMAGE) -> Spec:
    """Where a pair differs, by class of test image (down) and of training image (across)."""
    rows = []
    for cell in cells:
        row = {
            "test": cell.test,
            "train": cell.train,
            # Below 0 there is only error.
            "share": max(0.0, cell.share) if np.isfinite(cell.share) else 0.0,
            "interval": f"{cell.low:.1%} to {cell.high:.1%}"
            if np.isfinite(cell.low)
            else "not known",
            "agreement": f"{cell.agreement:.2f}" if np.isfinite(cell.agreement) else "not known",
            "p": cell.p_value,
            "significant": cell.significant,
        }
        rows.append(row)
    # Not `sort`: that becomes an expression, in which a name of the user's could be code.
    of_class = {"type": "nominal", "sort": None, "scale": {"domain": classes}}
    at = {
        "x": of_class | {"field": "train", "title": kind.said("Class of training images")},
        "y": of_class | {"field": "test", "title": kind.said("Class of test images")},
    }
    share = {"field": "share", "type": "quantitative", "title": "Share of all that differs"}
    return specification(
        kind.said(
            "Share of what differs, by class of test images (down) and of training images "
            "(across). A dot marks cells that stand out from chance."
        ),
        max(160, 26 * len(classes)),
        data={"values": rows},
        layer=[
            {
                "mark": {"type": "rect"},
                "encoding": at
                | {
                    "color": share | {"legend": {"format": ".0%"}},
                    "tooltip": [
                        {"field": "test", "title": kind.said("Test images of")},
                        {"field": "train", "title": kind.said("Training images of")},
                        share | {"format": ".1%"},
                        {"field": "interval", "title": "95% interval"},
                        {"field": "agreement", "title": "Agreement"},
                        {"field": "p", "title": "p, corrected", "format": ".2g"},
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.significant"}],
                "mark": {"type": "point", "style": "mean", "filled": True, "opacity": 1},
                "encoding": at,
            },
        ],
    )
