"""Where code comes from: one's own, to be looked into, or installed, to be known by name and version."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain import objects

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_NOTES: Final = 4
_MOST_NOTE: Final = 100


class Origins:
    """What counts as one's own while one callable is read, and notes of what could not be looked into.

    ``own`` is the callable's top-level package, ``version`` its version if it is an installed one. ``where`` is the
    part that is being read, for the notes.
    """

    __slots__ = ("_installed", "_own", "_version_of", "notes", "version", "where")

    def __init__(self, own: str, version_of: Callable[[str], str | None]) -> None:
        self.notes: dict[str, None] = {}
        self.where = ""
        self._own = own
        self._version_of = version_of
        self._installed: dict[str, bool] = {"__main__": False}
        self.version = self.version_of(own) if objects.is_installed(own) else ""

    def is_installed(self, module: str) -> bool:
        """Tell whether a module is known by name and version only."""
        known = self._installed.get(module)
        if known is None:
            own = objects.top_of(module) == self._own
            known = self._installed[module] = not own and objects.is_installed(module)
        return known

    def version_of(self, module: str) -> str:
        """Return the version of a module's distribution, empty for the standard library and when it is not known."""
        top = objects.top_of(module)
        if top in objects.STANDARD:
            return ""
        version = objects.stated_version(top)
        if version is None:
            version = self._version_of(top)
            if version is None:
                self.note(f"the version of {top} is not known")
        return version or ""

    def note(self, what: str, *, bound: bool = False) -> None:
        """Remember what could not be looked into; a known version of the whole stands in for its bounds."""
        if bound and self.version:
            return
        words = objects.crop(f"{self.where}: {what}" if self.where else what, _MOST_NOTE)
        if len(self.notes) < _MOST_NOTES:
            self.notes[words] = None


def own_package(root: Any) -> str:
    """Return the top-level package whose code is looked into for a callable, empty if only its name can be.

    Classes and objects of an installed distribution are known by name, version and state; its functions are followed.
    """
    root = objects.unwrapped(root)
    if type(root) is not FunctionType:
        return ""
    top = objects.top_of(objects.module_name(root.__globals__))
    return "" if top in objects.STANDARD else top
