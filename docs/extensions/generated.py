"""A Sphinx extension that adds what only the site has: the tree of pages, docstrings, and a search that finds names.

The tree is that of the tables in docs/index.md. A comment ``<!-- docstrings: amorsize.plugins -->`` in a page stands
for the docstrings of a module's public names. A code host shows neither, so the pages read well there.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docutils import nodes
from sphinx.addnodes import index
from sphinx.pycode import ModuleAnalyzer
from sphinx.search.en import SearchEnglish
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SECTION: Final = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
_ROW: Final = re.compile(r"^\| \[([^\]]+)\]\(([^)]+)\.md\) \|", re.MULTILINE)
_WITH_OPTIONS: Final = re.compile(r"docs/reference/(?:command|configuration)|plugins/[\w-]+/README")
_OPTION: Final = re.compile(r"amorsize(?: [a-z]+)+|--[a-z-]+|[a-z_]+$|AMORSIZE_[A-Z_]+")
_DOCSTRINGS: Final = re.compile(r"^<!-- docstrings: ([\w.]+)( errors)? -->$", re.MULTILINE)


class SearchNames(SearchEnglish):
    """Searches English in which words such as ``most`` and ``where``, which are names of options, can be found."""

    stopwords = frozenset(["a", "an", "and", "are", "as", "be", "by", "in", "is", "it", "of", "that", "the", "to"])


class IndexOptions(SphinxTransform):
    """Puts the commands and options that the tables of the reference describe into the index, each with an anchor.

    The search shows an entry of the index above the pages that have its words somewhere.
    """

    default_priority = 500  # before Sphinx collects what is in the index

    def apply(self, **_: Any) -> None:
        """Add an entry for each row that begins with a command or an option."""
        if not _WITH_OPTIONS.fullmatch(self.env.docname):
            return
        for row in self.document.findall(nodes.row):
            cell = row[0]
            named = _OPTION.match(cell.astext())
            if named is None or not any(cell.findall(nodes.literal)):
                continue
            anchor = nodes.make_id(f"{_section(row)['ids'][0]}-{named[0]}")
            cell["ids"].append(anchor)
            cell.insert(0, index(entries=[("single", named[0], anchor, "main", None)]))


def _section(node: nodes.Node) -> nodes.Element:
    while not isinstance(node, nodes.section):
        node = node.parent
    return node


def toctrees(page: str) -> str:
    """Return a hidden tree of pages for each table of the index, with the section's heading as caption."""
    trees = []
    for heading, body in _SECTION.findall(page):
        entries = "\n".join(f"{title} <{path}>" for title, path in _ROW.findall(body))
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n")
    return "\n".join(trees)


def docstrings(found: re.Match[str]) -> str:
    """Return what has autodoc show a module: its functions, then its classes, then the rest, or its errors alone."""
    module = import_module(found[1])
    shown: dict[str, list[str]] = {"function": [], "class": [], "data": [], "exception": []}
    for name in module.__all__:
        thing = getattr(module, name)
        shown[_kind(thing)].append(name)
        _forget_overloads(thing)
    errors = shown.pop("exception")
    lines = [f".. currentmodule:: {found[1]}", ""]
    if found[2]:
        lines += [f".. autoexception:: {name}\n   :show-inheritance:\n" for name in errors]
    else:
        lines += [f".. automodule:: {found[1]}\n   :no-members:\n"]
        lines += [
            _constant(module, name) if kind == "data" else f".. auto{kind}:: {name}\n"
            for kind, names in shown.items()
            for name in names
        ]
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _constant(module: Any, name: str) -> str:
    """Return what describes a constant, with the docstring below it in the module that it is imported from."""
    home = ModuleAnalyzer.for_module(f"amorsize.{module._HOMES[name]}")
    lines = home.find_attr_docs()["", name]
    return "\n   ".join([f".. py:data:: {name}", "", *lines]) + "\n"


def _forget_overloads(thing: object) -> None:
    """Have autodoc show one signature of a function; it would show each overload with all its arguments."""
    home = str(getattr(thing, "__module__", ""))
    if home.startswith("amorsize"):
        analyzer = ModuleAnalyzer.for_module(home)
        analyzer.analyze()
        analyzer.overloads.clear()


def _kind(thing: object) -> str:
    if isinstance(thing, type):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function" if callable(thing) else "data"


def _add(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = _DOCSTRINGS.sub(docstrings, source[0])
    if page == app.config.root_doc:
        source[0] += "\n" + toctrees(source[0])


def _skips(_: Sphinx, __: str, ___: str, member: object, *____: object) -> bool | None:
    """Say that a field of a named tuple needs no docstring of Python's: its class describes it."""
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field number") else None


def _finish(app: Sphinx, error: Exception | None) -> None:
    """Lead from the folder of the site to its first page."""
    if error is None and app.builder.format == "html":
        to = app.builder.get_target_uri(app.config.root_doc)
        page = f'<!doctype html><meta charset="utf-8"><title>{app.config.project}</title>'
        page += f'<meta http-equiv="refresh" content="0; url={to}"><a href="{to}">{app.config.project}</a>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Add to each page as it is read, and to the site when all pages are."""
    app.add_search_language(SearchNames)
    app.add_transform(IndexOptions)
    app.connect("source-read", _add)
    app.connect("autodoc-skip-member", _skips)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
