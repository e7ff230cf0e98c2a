"""Writes HTML and SVG; all text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from amorsize.domain.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class Markup(str):
    """Text that is markup already, made by ``element``."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element. Children that are not markup are escaped, and so are attributes.

    In the name of an attribute ``_`` stands for ``-``, and one at its end is left out: ``class_`` is ``class``.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(_text(value)))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Return children one after another, escaped unless they are markup."""
    return Markup("".join(each if isinstance(each, Markup) else escape(printable(each)) for each in children))


def table(head: Iterable[str], rows: Iterable[Iterable[str]], **attributes: object) -> Markup:
    """Return a table with a head."""
    top = element("tr", *(element("th", each, scope="col") for each in head))
    body = (element("tr", *(element("td", each) for each in row)) for row in rows)
    return element("table", element("thead", top), element("tbody", *body), **attributes)


def _text(value: object) -> str:
    """Return an attribute's text; numbers keep two digits, which is finer than a screen shows."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
