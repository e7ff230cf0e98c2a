"""A cache store of files that are only read: kept with a project's sources, or shipped in an image."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import attrs

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.domain.values import PATH_TEXT, flag, text

if TYPE_CHECKING:
    from collections.abc import Iterable


@attrs.frozen
class ReadonlyOptions:
    """Options of the ``readonly`` cache.

    ``directory`` holds files of the ``json`` cache; a relative one is taken from the folder of the config file, and
    AMORSIZE_CACHE_DIR does not overrule it. ``allow_shared`` accepts one that neither you nor root owns, or that
    everybody may write to.
    """

    directory: str = attrs.field(default="amorsize-cache", validator=text(PATH_TEXT))
    allow_shared: bool = attrs.field(default=False, validator=flag)


class ReadonlyCache(JsonCache):
    """Reads what a ``json`` cache has written; nothing is ever stored, removed or made."""

    read_only = True

    def __init__(self, options: ReadonlyOptions) -> None:
        super().__init__(JsonOptions(directory=options.directory, allow_shared=options.allow_shared))

    def store(self, locator: str, variant: str, text: str) -> None:  # noqa: ARG002  as the port has it
        """Refuse."""
        raise OSError(errno.EROFS, "caches.readonly is only read", self._root)

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:  # noqa: ARG002  as above
        """Refuse."""
        raise OSError(errno.EROFS, "caches.readonly is only read", self._root)
