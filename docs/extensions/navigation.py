"""The order of the pages, which conf.py lists in one place, so that the pages hold no directives for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Appends hidden tables of contents to the home page, and to each ``index`` that of the pages beside it."""
    if docname == app.config.root_doc:
        for caption, pages in app.config.navigation.items():
            source[0] += _contents(pages, caption)
    elif docname.endswith("/index"):
        folder = Path(app.srcdir, docname).parent
        source[0] += _contents([page.stem for page in sorted(folder.glob("*.md")) if page.stem != "index"])


def _contents(pages: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *pages, "```", ""])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("navigation", {}, "env")
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
