"""Where code comes from: the function's own package, which is read, or installed, known by name and version."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects

if TYPE_CHECKING:
    from amorsize.domain.fingerprint.loaded import Loaded

_MOST_NOTES: Final = 4
"""Notes that one fingerprint keeps."""
_MOST_NOTE: Final = 100
"""Characters of a note."""


class Origins:
    """Tells the function's own code from installed code while one callable is read, and collects notes.

    Attributes:
        loaded: the modules that are loaded.
        notes: what could not be read.
        unread: the objects that the notes are about, of those that hold values.
        version: the version of the callable's own package if that is installed, else empty.
    """

    __slots__ = ("_installed", "_own", "_where", "loaded", "notes", "unread", "version")

    def __init__(self, own: str, loaded: Loaded) -> None:
        self.notes: dict[str, None] = {}
        self.unread: list[Any] = []
        self._where = ""
        self._own = own
        self.loaded = loaded
        self._installed: dict[str, bool] = {"__main__": False}
        self.version = self.version_of(own) if loaded.is_installed(own) else ""

    def enter(self, part: str) -> None:
        """Begin to read a part, which notes name from now on."""
        self._where = part

    def leave(self) -> None:
        """End reading a part."""
        self._where = ""

    def is_installed(self, module: str) -> bool:
        """Tell whether a module is known by name and version only."""
        known = self._installed.get(module)
        if known is None:
            own = objects.top_of(module) == self._own
            known = self._installed[module] = not own and self.loaded.is_installed(module)
        return known

    def version_of(self, module: str) -> str:
        """Return the version of a module's distribution, empty for the standard library and when it is not known."""
        top = objects.top_of(module)
        if top in objects.STANDARD:
            return ""
        version = self.loaded.stated_version(top)
        if version is None:
            version = self.loaded.version_of(top)
            if version is None:
                self.note(f"the version of {top} is not known")
        return version or ""

    def note(self, what: str, *, of: tuple[Any, ...] = (), bound: bool = False) -> None:
        """Remember what could not be looked into, and the objects that are meant.

        A known version of the whole stands in for its bounds.
        """
        if bound and self.version:
            return
        self.unread += of
        words = objects.crop(f"{self._where}: {what}" if self._where else what, _MOST_NOTE)
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
