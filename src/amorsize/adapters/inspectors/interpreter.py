"""What every inspector says of the running Python."""

from __future__ import annotations

import sys
from typing import Final

_NAMES: Final = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
_LENGTH: Final = 40


def python_facts() -> tuple[str, str, bool]:
    """Return the running Python's cache tag, its name and full version, and whether its interpreter lock is on now.

    Importing an extension can turn the lock on, so this is asked every time.
    """
    name = sys.implementation.name
    tag = sys.implementation.cache_tag or name
    version = f"{_NAMES.get(name, name)} {sys.version.split(None, 1)[0]}"
    locked = getattr(sys, "_is_gil_enabled", None)
    return tag[:_LENGTH], version[:_LENGTH], True if locked is None else bool(locked())
