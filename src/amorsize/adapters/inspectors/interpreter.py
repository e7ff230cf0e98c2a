"""What every inspector says of the running Python."""

from __future__ import annotations

import sys
from typing import Final

from amorsize.domain.values import SHORT_TEXT

_NAMES: Final = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
"""How implementations write their names."""


def python_facts() -> tuple[str, str, bool]:
    """Return the running Python's cache tag, its name and full version, and whether its GIL is on now.

    Importing an extension can turn the lock on, so this is asked every time.
    """
    name = sys.implementation.name
    tag = sys.implementation.cache_tag or name
    version = f"{_NAMES.get(name, name)} {sys.version.split(None, 1)[0]}"
    locked = getattr(sys, "_is_gil_enabled", None)
    return tag[:SHORT_TEXT], version[:SHORT_TEXT], True if locked is None else bool(locked())
