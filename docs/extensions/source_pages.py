"""Links to files of the repository that are no pages, such as ``../pipeline.py``, lead to their highlighted text.

A forge follows such links by itself. On the site each linked file becomes a page of its own, a linked folder becomes a
list of its files, and ``../CONTRIBUTING.md`` is the page that includes it.
"""

from __future__ import annotations

import html
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

from .mlir_lexer import MLIRLexer

ROOT = Path(__file__).parents[2]
FOLDER = "source"
SHOWN = {".py", ".ll", ".mlir", ".toml"}
INCLUDED = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog", "README.md": "index"}


class LinkSources(SphinxTransform):
    """Turns links to files outside docs/ into references to their pages, before Sphinx takes them for downloads."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(_is_link)):
            path = self._linked_file(node["reftarget"])
            if path is None:
                continue
            node.replace_self(self._reference(path, node))

    def _linked_file(self, target: str) -> str | None:
        """The path from the root of the repository, or None where the link is to a page."""
        page = Path(self.env.srcdir, self.env.docname)
        path = Path(page.parent, target.partition("#")[0]).resolve()
        if not path.is_relative_to(ROOT) or not path.exists():
            return None
        if path.suffix == ".md" and path.is_relative_to(page.parent):
            return None  # A page.
        return path.relative_to(ROOT).as_posix()

    def _reference(self, path: str, link: nodes.Element) -> nodes.Node:
        if path in INCLUDED:
            attributes = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{INCLUDED[path]}"}
        else:
            linked_sources(self.env).setdefault(self.env.docname, set()).add(path)
            attributes = {"refdomain": "", "reftype": "source", "reftarget": path}
        reference = addnodes.pending_xref("", refdoc=self.env.docname, refexplicit=True, **attributes)
        reference += link.children
        return reference


def _is_link(node: nodes.Node) -> bool:
    is_file = isinstance(node, addnodes.download_reference)
    is_unknown = isinstance(node, addnodes.pending_xref) and node.get("reftype") == "myst" and not node.get("refdomain")
    return is_file or is_unknown


def linked_sources(env: BuildEnvironment) -> dict[str, set[str]]:
    """The files that each page links to."""
    if not hasattr(env, "lamina_linked_sources"):
        env.lamina_linked_sources = {}
    return env.lamina_linked_sources


def resolve_source(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Element
) -> nodes.reference | None:
    if node["reftype"] != "source":
        return None
    uri = app.builder.get_relative_uri(node["refdoc"], page_name(node["reftarget"])) + node.get("anchor", "")
    return nodes.reference("", "", content, internal=True, refuri=uri)


def page_name(path: str) -> str:
    return f"{FOLDER}/{path}"


# --- [source] beside what autodoc describes ------------------------------------------------------------------


def link_described_objects(app: Sphinx, document: nodes.document) -> None:
    """Adds a link to where it is defined to each class, function and method of the reference."""
    for description in document.findall(addnodes.desc):
        if description["domain"] != "py":
            continue
        for signature in description.findall(addnodes.desc_signature):
            place = _definition(signature.get("module", ""), signature.get("fullname", ""))
            if place is None or signature.parent is not description:
                continue
            path, line = place
            linked_sources(app.env).setdefault(app.env.docname, set()).add(path)
            reference = addnodes.pending_xref(
                "",
                nodes.inline("", "[source]", classes=["viewcode-link"]),
                refdoc=app.env.docname,
                refdomain="",
                reftype="source",
                reftarget=path,
                refexplicit=True,
                anchor=f"#line-{line}",
            )
            signature += addnodes.only("", reference, expr="html")


def _definition(module: str, name: str) -> tuple[str, int] | None:
    """The file and line that define an object, or None for attributes and other things without code."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, property):
        found = found.fget
    try:
        path = Path(inspect.getsourcefile(found) or "").resolve()
        line = inspect.getsourcelines(found)[1]
    except (TypeError, OSError):
        return None
    return (path.relative_to(ROOT).as_posix(), line) if path.is_relative_to(ROOT) else None


# --- the pages ----------------------------------------------------------------------------------------------


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Pages of all linked files and folders, and of what lies in linked folders."""
    pending = sorted(set().union(*linked_sources(app.env).values()))
    done: set[str] = set()
    while pending:
        path = pending.pop()
        if path in done:
            continue
        done.add(path)
        if (ROOT / path).is_dir():
            entries = folder_entries(ROOT / path)
            pending += [entry.relative_to(ROOT).as_posix() for entry in entries]
            body = _folder_body(app, path, entries)
        else:
            body = _file_body(ROOT / path)
        context = {"parents": [], "title": path, "body": f"<h1>{html.escape(path)}</h1>{body}"}
        yield page_name(path), context, "page.html"


def folder_entries(folder: Path) -> list[Path]:
    """Source files, and folders that have some, in order."""
    return [
        entry
        for entry in sorted(folder.iterdir())
        if (entry.suffix in SHOWN if entry.is_file() else any(found.suffix in SHOWN for found in entry.rglob("*")))
        and entry.name not in {"__pycache__"}
    ]


def _folder_body(app: Sphinx, path: str, entries: list[Path]) -> str:
    items = []
    for entry in entries:
        uri = app.builder.get_relative_uri(page_name(path), page_name(entry.relative_to(ROOT).as_posix()))
        name = f"{entry.name}/" if entry.is_dir() else entry.name
        items.append(f'<li><a href="{html.escape(uri)}"><code>{html.escape(name)}</code></a></li>')
    return f"<ul>{''.join(items)}</ul>"


def _file_body(path: Path) -> str:
    formatter = HtmlFormatter(linenos="inline", lineanchors="line", anchorlinenos=True)
    return highlight(path.read_text(), _lexer(path), formatter)


def _lexer(path: Path) -> Any:
    if path.suffix == ".mlir":
        return MLIRLexer()
    try:
        return get_lexer_for_filename(path.name)
    except ClassNotFound:
        return TextLexer()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(LinkSources)
    app.connect("missing-reference", resolve_source)
    app.connect("doctree-read", link_described_objects)
    app.connect("html-collect-pages", source_pages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
