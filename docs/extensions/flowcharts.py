"""A Sphinx extension that draws flowcharts: it turns blocks of mermaid into SVG while the site is built.

It reads the part of mermaid that the pages use. Graphviz places what stands in a chart from top to bottom, since a page
is not wide. So the site needs no script and no network for its pictures, and they take the colours of the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docutils import nodes
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SHAPES: Final = {
    "[": "shape=box",
    "{": "shape=hexagon style=solid",
    "[/": "shape=box style=solid",
    "[(": "shape=cylinder style=solid",
}
"""What Graphviz calls the shape that an opening bracket of mermaid means."""

_NODE: Final = r'(\w+)(?:(\[[/(]?|\{)"([^"]*)"[/)]?[\]}])?'
_LABEL: Final = r'(?:"([^"]+)"|([^">]+?))'
_ARROW: Final = re.compile(rf"{_NODE} +(-->|-\.->|(?:--|-\.) *{_LABEL} *(?:-->|\.->)) +{_NODE}")
_START: Final = re.compile(r"flowchart (?:LR|TD)")
_GROUP: Final = re.compile(r'subgraph (\w+)\["([^"]*)"\]')

_GRAPH: Final = """
    bgcolor=transparent fontname=Helvetica fontsize=13 nodesep=0.3 ranksep=0.4
    node [fontname=Helvetica fontsize=13 height=0.4 margin="0.15,0.08" shape=box style=rounded]
    edge [fontname=Helvetica fontsize=12 arrowsize=0.7]
"""
"""How all flowcharts look; their colours stand in site.css."""


def to_dot(chart: str) -> str:
    """Return a flowchart in Graphviz's language.

    Raises:
        ExtensionError: a line is not of the part of mermaid that the pages use.
    """
    first, *lines = [line.strip() for line in chart.strip().splitlines()]
    if not _START.fullmatch(first):
        raise ExtensionError(f"a flowchart begins with 'flowchart LR' or 'flowchart TD', not with {first!r}")
    drawn = ["digraph {", _GRAPH]
    for line in lines:
        if group := _GROUP.fullmatch(line):
            drawn.append(f"subgraph cluster_{group[1]} {{ label={_label(group[2])}")
        elif line == "end":
            drawn.append("}")
        elif arrow := _ARROW.fullmatch(line):
            drawn += [_node(*arrow.group(1, 2, 3)), _node(*arrow.group(7, 8, 9)), _arrow(arrow)]
        elif node := re.fullmatch(_NODE, line):
            drawn.append(_node(*node.groups()))
        else:
            raise ExtensionError(f"flowcharts.py cannot read this line of a flowchart: {line!r}")
    return "\n".join([*drawn, "}"])


def to_svg(chart: str) -> str:
    """Return a flowchart as an SVG element for a page.

    Raises:
        ExtensionError: no program of Graphviz is there, or it fails.
    """
    beside = Path(sys.executable).parent
    program = shutil.which("graphviz-pure", path=str(beside)) or shutil.which("dot")
    if program is None:
        raise ExtensionError("flowcharts need Graphviz: run pip install '.[docs]', or install the program dot")
    done = subprocess.run([program, "-Tsvg"], input=to_dot(chart), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"{program} could not draw a flowchart: {done.stderr.strip()}")
    svg = re.sub(r'<!--.*?-->\n?|<title>.*?</title>\n?| id="\w+"', "", done.stdout, flags=re.DOTALL)
    size = r'<svg width="\1" height="\2" style="min-width: min(\1px, 40rem)"'  # a narrow screen scrolls
    return re.sub(r'.*?<svg width="(\d+)pt" height="(\d+)pt"', size, svg, count=1, flags=re.DOTALL)


def _label(text: str) -> str:
    return '"' + text.replace("<br>", r"\n") + '"'


def _node(name: str, bracket: str | None, text: str | None) -> str:
    return f"{name} [label={_label(text or '')} {_SHAPES[bracket]}]" if bracket else name


def _arrow(arrow: re.Match[str]) -> str:
    text = arrow[5] or arrow[6]
    style = " style=dashed" if arrow[4].startswith("-.") else ""
    return f"{arrow[1]} -> {arrow[7]} [label={_label(f' {text} ' if text else '')}{style}]"


def _draw(_: Sphinx, page: nodes.document) -> None:
    for block in list(page.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            html = f'<div class="flowchart">{to_svg(block.astext())}</div>'
            block.replace_self(nodes.raw("", html, format="html"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Draw the flowcharts of each page after it is read."""
    app.connect("doctree-read", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
