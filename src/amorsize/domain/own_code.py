"""Tells the user's own code from installed code."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.loaded import has_installed_file
from amorsize.domain.fingerprint.objects import STANDARD, class_module, module_name, module_space, top_of, unwrapped
from amorsize.domain.iterables import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amorsize.domain.fingerprint.loaded import Loaded

OURS: Final = "amorsize"
"""The package whose code is not the user's, wherever it lies."""


def is_own(space: Mapping[str, Any]) -> bool:
    """Return whether a module, given by its namespace, is neither part of Python nor of an installed package."""
    top = top_of(module_name(space))
    return top not in STANDARD and top != OURS and not has_installed_file(space)


class Own:
    """Tells the user's own classes from installed ones: those of the function's package, and of other own modules.

    Args:
        func: the function that is looked at. Where it is installed itself, no class counts as the user's own.
        loaded: the modules that are loaded.
    """

    def __init__(self, func: Any, loaded: Loaded) -> None:
        self._package = ""
        with suppress(Exception):  # what stands for another object may raise anything
            self._package = top_of(str(unwrapped(plain(func), methods=False).__module__ or ""))
        self._known: dict[str, bool] = {}
        self.is_installed = loaded.is_installed(self._package)
        self.loaded = loaded

    def has(self, kind: type) -> bool:
        """Return whether a class is the user's own."""
        return self.has_module(class_module(kind))

    def has_module(self, module: str) -> bool:
        """Return whether a module, given by its name, is the user's own."""
        known = self._known.get(module)
        if known is None:
            known = self._known[module] = not self.is_installed and self._has(module)
        return known

    def _has(self, name: str) -> bool:
        top = top_of(name)
        if top == self._package:
            return True
        module = self.loaded.home_of(name)
        return module is not None and is_own(module_space(module))
