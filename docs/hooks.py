"""What the site shows from outside docs/: the README is its front page.

Every file of the repository that a page links to becomes part of the site, so that links hold
there as they do in a checkout.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
FRONT = "README.md"
ALSO = (FRONT, "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "examples/README.md")
LINK = re.compile(r"(\]\()([^)#\s:]+)(?=[)#\s])")  # relative; not `https://...`, not `#anchor`


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages above and what is linked from any page, and from what that links to."""
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + list(ALSO)
    seen = set(waiting)
    while waiting:
        source = waiting.pop()
        path = REPOSITORY / source
        if not source.startswith("docs/"):
            files.append(File.generated(config, address(source), abs_src_path=str(path)))
        if path.suffix == ".md":
            for _, link in LINK.findall(path.read_text(encoding="utf-8")):
                target = resolved(source, link)
                if target not in seen and (REPOSITORY / target).is_file():
                    seen.add(target)
                    waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between files of the site."""
    here = page.file.src_uri
    source = FRONT if here == "index.md" else here
    if files.get_file_from_path(here).generated_by is None:
        source = f"docs/{here}"

    def moved(link: re.Match[str]) -> str:
        target = address(resolved(source, link[2]))
        return link[1] + posixpath.relpath(target, posixpath.dirname(here) or ".")

    return LINK.sub(moved, markdown)


def resolved(source: str, link: str) -> str:
    """The repository's file that a link in the file `source` leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def address(source: str) -> str:
    """Where a file of the repository lies in the site."""
    return "index.md" if source == FRONT else source.removeprefix("docs/")
