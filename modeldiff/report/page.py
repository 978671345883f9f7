"""`report.html`: one self-contained page."""

from typing import Any

from jinja2 import Environment, PackageLoader

from modeldiff.report.results import Results


def render(results: Results, summary: dict[str, Any]) -> str:
    """The page as HTML."""
    pages = Environment(loader=PackageLoader("modeldiff.report", "."), autoescape=True)
    return pages.get_template("page.html.jinja").render(results=results, summary=summary)
