"""The modules that are loaded: what is installed, in which version, and which library a class belongs to."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.objects import (
    STANDARD,
    class_module,
    class_name,
    module_name,
    module_space,
    path_reader,
    qualname_of,
    top_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FRAMES: Final = {"pandas": ("DataFrame", "Series", "Index"), "polars": ("DataFrame", "Series")}
"""The classes of data frames and their columns and indexes, by library."""
_WITH_TEXT: Final = {
    **dict.fromkeys(("date", "datetime", "time", "timedelta", "timezone"), "datetime"),
    "Decimal": "decimal",
    "Pattern": "re",
}
"""Classes of the standard library whose objects have a complete text, and the module of each."""
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
"""Folders that hold installed distributions."""


def unknown_version(_: str) -> str | None:
    """Know no version of any distribution."""
    return None


def has_installed_file(space: Mapping[str, Any]) -> bool:
    """Tell whether the file of a module, given by its namespace, is compiled or in a folder of installed packages.

    A script is not installed, wherever its file is.
    """
    file = space.get("__file__")
    if type(file) is not str or module_name(space) == "__main__":
        return False
    path = file.replace("\\", "/")
    return any(folder in path for folder in _INSTALLED) or not path.endswith((".py", ".pyc"))


class Loaded:
    """The modules that are loaded.

    Args:
        modules: each module by its name, as ``sys.modules`` has them.
        version_of: gives the version of a top-level package that states none in ``__version__``; None: not known.
    """

    __slots__ = ("modules", "version_of")

    def __init__(self, modules: Mapping[str, Any], version_of: Callable[[str], str | None] = unknown_version) -> None:
        self.modules = modules
        self.version_of = version_of

    def get(self, name: str) -> ModuleType | None:
        """Return a module that is loaded, None if it is not."""
        module = self.modules.get(name)
        return module if issubclass(type(module), ModuleType) else None

    def home_of(self, name: str) -> ModuleType | None:
        """Return a module that is loaded, or else its top-level package; None if neither is loaded."""
        module = self.get(name)
        return self.get(top_of(name)) if module is None else module

    def held(self, library: str, name: str) -> Any:
        """Return what a library that is loaded has under a name, None if it is not loaded or has no such name."""
        home = self.get(library)
        return None if home is None else module_space(home).get(name)

    def is_installed(self, name: str) -> bool:
        """Tell whether a module is part of the standard library, compiled, or installed as a distribution.

        The folder of its file decides. So a package under development is read, whatever version it states.
        """
        if top_of(name) in STANDARD:
            return True
        module = self.home_of(name)
        return module is not None and has_installed_file(module_space(module))

    def stated_version(self, name: str) -> str | None:
        """Return the ``__version__`` of the top-level package of a module, None if it states none as text."""
        version = self.held(top_of(name), "__version__")
        return version if type(version) is str else None

    def is_genuine(self, kind: type, library: str) -> bool:
        """Tell whether a class is the one that a library, given by its top-level name, has under the class's name."""
        return top_of(class_module(kind)) == library and self.held(library, qualname_of(kind)) is kind

    def is_frame(self, kind: type) -> bool:
        """Tell whether a class is that of data frames or their columns, of pandas or polars."""
        library = top_of(class_module(kind))
        return qualname_of(kind) in _FRAMES.get(library, ()) and self.is_genuine(kind, library)

    def has_text(self, kind: type) -> bool:
        """Tell whether the objects of a class have a complete text.

        Paths, dates and times, decimal numbers, regular expressions and scalars of numpy do.
        """
        if path_reader(kind) is not None:
            return True
        library = _WITH_TEXT.get(qualname_of(kind))
        if library is not None and self.is_genuine(kind, library):
            return True
        return self.is_genuine(kind, "numpy") and hasattr(kind, "tobytes") and not hasattr(kind, "__array_finalize__")

    def exact_text(self, value: Any) -> str:
        """Return the complete text of an object that has one."""
        kind = type(value)
        path_of = path_reader(kind)
        if path_of is not None:
            return path_of(value)
        library = top_of(class_module(kind))
        if library == "numpy":
            return f"{value.dtype.str} {value.tobytes().hex()}"
        if library == "re":
            return f"{value.flags} {value.pattern!r}"
        zone = getattr(value, "tzinfo", None)
        if zone is not None and not self.is_genuine(type(zone), "datetime"):  # the user's code may make its text
            return f"{value.replace(tzinfo=None)!r} {class_name(type(zone))}"
        return repr(value)
