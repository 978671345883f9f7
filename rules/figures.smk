# The page and its figures, with what `snakemake --report` shows beside them.
from modeldiff.report import names

CATEGORIES = {
    "reach": "2 Comparison",
    "effect": "3 Verification",
    "direction": "4 Directions",
    "lds": "5 Datamodels",
}


def with_page_first(files):
    """The files of the report stage, its page flagged as the first result of Snakemake's report."""
    about = {
        "caption": "captions/finding.rst",
        "category": "1 The finding",
        "labels": {"study": study.name},
    }
    return files | {"report": report(files["report"], **about)}


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
