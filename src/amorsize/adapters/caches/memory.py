"""A cache store in this process's memory: gone with the process, and a forked child has its own copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.adapters.caches.names import check_address, check_name, text_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@attrs.frozen
class MemoryOptions:
    """Options of the ``memory`` cache: it has none."""


class MemoryCache:
    """Keeps texts in a dict of dicts."""

    def __init__(self, options: MemoryOptions) -> None:
        self._options = options
        self._texts: dict[str, dict[str, str]] = {}
        self._lock = lock_held_over_forks()

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port."""
        check_name("locator", locator)
        with self._lock:
            return self._texts.get(locator, {}).copy()

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; see the port."""
        check_address(locator, variant)
        text_bytes(text)
        with self._lock:
            self._texts.setdefault(locator, {})[variant] = text

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs; see the port."""
        return sum(self._remove(locator, variant) for locator, variant in addresses)

    def _remove(self, locator: str, variant: str) -> bool:
        check_address(locator, variant)
        with self._lock:
            variants = self._texts.get(locator, {})
            if variants.pop(variant, None) is None:
                return False
            if not variants:
                del self._texts[locator]
            return True

    def locators(self) -> Iterator[str]:
        """Yield each locator; see the port."""
        with self._lock:
            locators = list(self._texts)
        yield from locators

    def close(self) -> None:
        """Do nothing: there is nothing to let go of, and what is kept stays."""
