# The figures of the report, with what `snakemake --report` shows beside them.
from modeldiff.report import names

CATEGORIES = {
    "reach": "1 Comparison",
    "effect": "2 Verification",
    "direction": "3 Directions",
    "lds": "4 Datamodels",
}


def figures():
    """All figures of the study, flagged for the report."""
    flagged = []
    for figure in names.figures(study):
        path = result(f"figures/{figure.path}")
        about = {
            "caption": f"captions/{figure.kind}.rst",
            "category": CATEGORIES[figure.kind],
            "labels": figure.labels,
        }
        flagged.append(report(path, **about))
    return flagged
