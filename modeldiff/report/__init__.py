"""The report: one page, figures, `summary.json`. It shows results and computes no science."""

from pathlib import Path


def write(study: str | Path) -> None:
    """Write figures, `summary.json` and `report.html` beside the checked study (`study.json`)."""
    # Imported here: Snakemake reads `report.names` for its plan, without torch and matplotlib.
    from modeldiff.core import artifacts
    from modeldiff.report import figures, page, results, summary
    from modeldiff.study import stages

    loaded = results.read(study)
    key = loaded.study.key("report")
    figures.write(loaded)
    content = summary.summarise(loaded)
    with artifacts.write(loaded.folder / stages.path("summary"), key) as file:
        file.write(summary.text(content))
    with artifacts.write(loaded.folder / stages.path("report"), key) as file:
        file.write(page.render(loaded, content).encode())
