"""Warns at the line of the user's program that called amorsize."""

from __future__ import annotations

import sys

from amorsize.domain.wording import printable
from amorsize.errors import AmorsizeWarning


def warn(said: str) -> None:
    """Warn with an AmorsizeWarning that names the line which called amorsize; the text is made printable."""
    import warnings

    warnings.warn(printable(said), AmorsizeWarning, stacklevel=_outside())


def _outside() -> int:
    """Return how many frames out the caller of amorsize is."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001  what warnings do themselves
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("amorsize"):
        frame, level = frame.f_back, level + 1
    return level
