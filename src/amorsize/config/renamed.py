"""Reads a config that a program gives as a mapping under the names that it had in earlier versions.

In a file an old name is an error: its owner can change it at once. A mapping may stand in a library that its users
cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amorsize.processes.warning import warn

RENAMED: Final = {
    "advice.executor": "executor",
    "limits.executor": "executor",
    "advice": "limits",
    "keeping": "store",
    "workers.keep_seconds": "workers.idle_seconds",
}
"""Tables and keys of earlier versions, and what they are called now; keys that leave a table stand before it."""


def with_new_names(document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return what a config says under the names of today, with a warning for each old one.

    An old name stays as it is where the new one is given too: nobody can know which of the two counts.
    """
    names = [(old, new) for old, new in RENAMED.items() if _has(document, old) and not _has(document, new)]
    if not names:
        return document
    new_document = {key: dict(table) if isinstance(table, Mapping) else table for key, table in document.items()}
    for old, new in names:
        if _has(new_document, new):
            continue
        warn(f"{where}{old!r} is now called {new!r}; the old name still counts")
        (table, key), (new_table, new_key) = _table_and_key(new_document, old), _table_and_key(new_document, new)
        new_table[new_key] = table.pop(key)
    return new_document


def _has(document: Mapping[str, Any], name: str) -> bool:
    table, _, key = name.rpartition(".")
    holder = document.get(table) if table else document
    return isinstance(holder, Mapping) and key in holder


def _table_and_key(document: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the table of a dotted name, which is made where there is none, and its key in that table."""
    table, _, key = name.rpartition(".")
    return (document.setdefault(table, {}) if table else document), key
